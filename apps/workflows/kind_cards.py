"""Kinds of nodes as the designer shows them: in the reader's language, with ports and what fields choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext

from apps.accounts.models import User
from apps.agents.models import Agent, Connection
from apps.workflows.actions import function_schemas
from apps.workflows.models import Workflow
from apps.workflows.templatetags.graph import kind_icon, kind_name
from orchestra.engine import plugins
from orchestra.engine.nodes import KINDS, Kind
from orchestra.engine.schema import NODE

GROUPS: Mapping[str, tuple[str, ...]] = {
    "models": ("llm", "agent"),
    "work": ("tool", "http", "function", "transform"),
    "flow": ("branch", "map", "loop", "workflow"),
    "waiting": ("approval", "wait"),
    "remarks": ("note",),
}
OTHER_GROUP = "packages"
OPTIONS = ("when", "join", "on_error", "retry", "timeout", "cache", "effect", "priority", "queue")
"""What every node can say beside its settings, in the order people see."""
SPOKEN = ("title", "description")


def kind_cards() -> list[dict[str, Any]]:
    """Return every kind in the order of the palette, those of installed packages last."""
    place = {name: (group, index) for index, (group, name) in enumerate(_in_order())}
    cards = [_card(kind, place.get(kind.name, (OTHER_GROUP, len(place)))[0]) for kind in KINDS.values()]
    return sorted(cards, key=lambda card: place.get(card["name"], ("", len(place)))[1])


def node_options() -> dict[str, Any]:
    """Return the JSON Schemas of what every node can say beside its settings."""
    return {name: spoken(NODE["properties"][name]) for name in OPTIONS}


def choices(workflow: Workflow, user: User) -> dict[str, Any]:
    """Return what fields of a format choose from: names by format, and the argument schemas of functions."""
    team = workflow.team_id
    agents = Agent.objects.visible_to(user).filter(team=team, is_enabled=True).order_by("name")
    connections = Connection.objects.visible_to(user).filter(team=team, is_enabled=True).order_by("name")
    others = Workflow.objects.visible_to(user).filter(team=team, archived_at__isnull=True).order_by("name")
    models = {found.default_model for found in connections} | {found.model for found in agents}
    return {
        "agent": [{"value": found.slug, "label": found.name} for found in agents],
        "connection": [{"value": found.slug, "label": found.name} for found in connections],
        "model": [{"value": name, "label": ""} for name in sorted(models - {""})],
        "workflow": [
            {"value": slug, "label": name}
            for slug, name in others.exclude(pk=workflow.pk).values_list("slug", "name")[:500]
        ],
        "function": [{"value": name, "label": ""} for name in sorted(function_schemas())],
        "arguments": function_schemas(),
    }


def spoken(schema: Any) -> Any:
    """Return a JSON Schema with its titles and descriptions in the reader's language."""
    if isinstance(schema, Mapping):
        return {
            key: gettext(value) if key in SPOKEN and isinstance(value, str) and value else spoken(value)
            for key, value in schema.items()
        }
    return [spoken(value) for value in schema] if isinstance(schema, list) else schema


def _in_order() -> Iterable[tuple[str, str]]:
    return ((group, name) for group, names in GROUPS.items() for name in names)


def _card(kind: Kind, group: str) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind_name(kind.name),
        "description": gettext(kind.description) if kind.description else "",
        "icon": kind_icon(kind.name),
        "group": group,
        "queue": kind.queue,
        "schema": spoken(kind.schema),
        "fields": list(kind.fields),
        "ports": list(fixed_ports(kind)),
        "body_names": list(kind.body_names),
        "calls": kind.calls,
        "runs": kind.runs,
        "works": kind.works,
        "acts": kind.acts,
        "is_available": kind.is_available,
        "package": plugins.package_of(kind.name),
    }


def fixed_ports(kind: Kind) -> tuple[str, ...]:
    """Return every port that nodes of this kind can have; none where their settings name the ports."""
    everything = dict.fromkeys(kind.schema.get("properties", {}), "")
    try:
        found = (*kind.ports({}), *kind.ports(everything))
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(dict.fromkeys(found))
