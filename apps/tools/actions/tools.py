"""Writes to tools."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.tools.checks import check_tool, check_word
from apps.tools.models import Policy, ToolKind, ToolRow
from orchestra.errors import Conflict, StaleRevision

WORKFLOW_SCHEMA = {"type": "object"}


@transaction.atomic
def create_workflow_tool(
    *,
    team: Team,
    workflow: str,
    schema: dict[str, Any] | None = None,
    name: str = "",
    title: str = "",
    description: str = "",
    policy: str = Policy.ALLOW,
    is_served: bool = False,
    by: User,
) -> ToolRow:
    """Let nodes and agents of a team call one of its workflows, by its short name; `schema` is that of its inputs.

    `is_served`: programs with an API key of the team may call it too, at `/mcp`.

    Which workflow that is, is looked up at each call. Raises NotPermitted, InvalidInput, Conflict (name taken).
    """
    require(by, team.pk, Role.EDITOR)
    name = name.strip() or workflow.replace("-", "_")
    check_word(name)
    check_tool(name=name, title=title, description=description, policy=policy)
    tool = ToolRow(
        team=team,
        kind=ToolKind.WORKFLOW,
        name=name,
        title=title.strip(),
        description=description.strip(),
        schema=dict(schema or WORKFLOW_SCHEMA),
        spec={"workflow": workflow},
        policy=policy,
        is_served=is_served,
    )
    try:
        with transaction.atomic():
            tool.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(_("There is a tool “%(name)s” already.") % {"name": name}) from error
    return tool


@transaction.atomic
def update_tool(
    *,
    tool: ToolRow,
    title: str | None = None,
    description: str | None = None,
    policy: str | None = None,
    is_safe: bool | None = None,
    is_enabled: bool | None = None,
    is_served: bool | None = None,
    revision: int | None = None,
    by: User,
) -> ToolRow:
    """Change how a tool is described and who may call it; what is None stays.

    Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, tool.team_id, Role.EDITOR)
    locked: ToolRow = ToolRow.objects.select_for_update().get(pk=tool.pk)
    if revision is not None and locked.revision != revision:
        raise StaleRevision
    given = {
        "title": title,
        "description": description,
        "policy": policy,
        "is_safe": is_safe,
        "is_enabled": is_enabled,
        "is_served": is_served,
    }
    for field, value in given.items():
        if value is not None:
            setattr(locked, field, value)
    check_tool(name="", title=locked.title, description=locked.description, policy=locked.policy)
    locked.revision += 1
    locked.save()
    return locked


@transaction.atomic
def delete_tool(*, tool: ToolRow, by: User) -> None:
    """Delete a tool; nodes that name it fail after that. Raises NotPermitted."""
    require(by, tool.team_id, Role.EDITOR)
    tool.delete()
