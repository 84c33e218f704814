"""The graph of a workflow as a picture and a list: `{% load graph %}{% graph drawing %}`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.workflows.graph import Drawing
from orchestra.engine.nodes import KINDS

register = template.Library()

KIND_NAMES: Mapping[str, str | Promise] = {
    "llm": _("Model call"),
    "agent": _("Agent"),
    "tool": _("Tool"),
    "http": _("HTTP request"),
    "function": _("Function"),
    "transform": _("Transform"),
    "branch": _("Branch"),
    "map": _("Map"),
    "loop": _("Loop"),
    "workflow": _("Workflow"),
    "approval": _("Approval"),
    "wait": _("Wait"),
    "note": _("Note"),
    "item": _("Item"),
}
DRAWN_KINDS = {
    "llm", "transform", "branch", "map", "loop", "workflow", "approval", "wait", "function", "http", "note",
    "item", "join",
}  # fmt: skip


@register.filter
def kind_name(kind: str) -> str:
    """Return a kind in the reader's language."""
    if kind in KIND_NAMES:
        return str(KIND_NAMES[kind])
    return KINDS[kind].title if kind in KINDS else kind


@register.filter
def kind_icon(kind: str) -> str:
    """Return the icon of a kind in the sprite."""
    return f"kind-{kind}" if kind in DRAWN_KINDS else "bolt"


@register.filter
def unlocalised(value: Any) -> str:
    """Return a coordinate as SVG reads it, whatever the language."""
    return f"{float(value):g}"


@register.inclusion_tag("workflows/graph.html")
def graph(
    drawing: Drawing,
    states: Mapping[str, Any] | None = None,
    base_url: str = "",
    troubled: Collection[str] = (),
) -> dict[str, Any]:
    """Draw a graph: `states` by path, links below `base_url`, marks on the `troubled` nodes."""
    states = states or {}
    levels = [
        (
            [
                {"edge": edge, "source": states.get(edge.source), "target": states.get(edge.target)}
                for edge in level.edges
            ],
            [
                {
                    "node": node,
                    "state": states.get(node.path),
                    "href": f"{base_url}{node.path}" + ("/" if base_url.endswith("/") else "")
                    if base_url
                    else "",
                    "is_troubled": node.path.partition("[")[0] in troubled,
                }
                for node in level.nodes
            ],
        )
        for level in drawing.levels
    ]
    return {"drawing": drawing, "levels": levels, "is_empty": not any(nodes for _edges, nodes in levels)}
