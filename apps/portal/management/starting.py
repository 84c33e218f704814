"""How commands start runs: which workflow, in whose name, with what input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from apps.accounts.management.people import find_person
from apps.accounts.models import Membership, Role, User
from apps.workflows.models import Workflow

MOST_RIGHTS = (Role.OWNER, Role.EDITOR, Role.OPERATOR)


def find_workflow(key: str, team: str | None) -> Workflow:
    """Return a workflow by its short name or id, in a team where one is named. Raises CommandError (exit code 2)."""
    rows = Workflow.objects.select_related("team", "published").filter(archived_at=None)
    if team:
        rows = rows.filter(team__slug=team)
    try:
        found: list[Workflow] = list(rows.filter(pk=UUID(key)))
    except ValueError:
        found = list(rows.filter(slug=key)[:10])
    if len(found) == 1:
        return found[0]
    if found:
        teams = ", ".join(sorted(workflow.team.slug for workflow in found))
        raise CommandError(f"Several teams have a workflow {key!r}; add --team: {teams}.", returncode=2)
    names = ", ".join(rows.order_by("slug").values_list("slug", flat=True)[:20]) or "none; try `seed`"
    raise CommandError(f"There is no workflow {key!r}. There are: {names}.", returncode=2)


def find_starter(workflow: Workflow, name: str | None) -> User:
    """Return in whose name a run starts: the named person, else the member of the team who may do most.

    Raises CommandError (exit code 2).
    """
    if name:
        return find_person(name)
    members = Membership.objects.filter(team=workflow.team, role__in=MOST_RIGHTS, user__is_active=True)
    ordered = sorted(
        members.select_related("user"), key=lambda m: (MOST_RIGHTS.index(Role(m.role)), m.created_at)
    )
    if not ordered:
        raise CommandError(f"Nobody in the team {workflow.team.slug!r} may start runs.", returncode=2)
    return ordered[0].user


def input_from(text: str | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's input: a JSON object as it is, any other text as the one input that takes text.

    `inputs` is the workflow's JSON Schema. Raises CommandError (exit code 2) when the text could go to several
    inputs or to none.
    """
    if text is None:
        return {}
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if isinstance(given, dict):
        return given
    return {text_input(inputs): text}


def text_input(inputs: Mapping[str, Any]) -> str:
    """Return the name of the one text input: the required one, or the only one. Raises CommandError."""
    properties = inputs.get("properties") or {}
    texts = [
        name
        for name, schema in properties.items()
        if isinstance(schema, dict) and schema.get("type") == "string"
    ]
    required = [name for name in texts if name in (inputs.get("required") or [])]
    for names in (required, texts):
        if len(names) == 1:
            return str(names[0])
    known = ", ".join(properties) or "none"
    raise CommandError(
        f"Give the input as a JSON object: this workflow has no single text input. Its inputs: {known}.",
        returncode=2,
    )
