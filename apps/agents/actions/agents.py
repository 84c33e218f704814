"""Writes to agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.actions.abilities import index_abilities
from apps.agents.checks import check_agent
from apps.agents.models import Agent, Connection
from apps.agents.slugs import check_slug, free_slug
from orchestra.errors import Conflict, InvalidInput, Problem, StaleRevision


class Unchanged:
    """Stands for a connection that is not touched; None means the team's default."""


UNCHANGED: Final = Unchanged()


@transaction.atomic
def create_agent(
    *,
    team: Team,
    name: str,
    description: str = "",
    instructions: str = "",
    connection: Connection | None = None,
    model: str = "",
    options: Mapping[str, Any] | None = None,
    capabilities: Sequence[str] = (),
    is_enabled: bool = True,
    slug: str = "",
    by: User,
) -> Agent:
    """Make an agent; without a connection it uses the team's default one.

    Raises NotPermitted, InvalidInput (every problem at once), Conflict (the short name is taken).
    """
    require(by, team.pk, Role.EDITOR)
    _check_connection(connection, team.pk)
    if slug:
        check_slug(slug)
    agent = Agent(
        team=team,
        slug=slug or free_slug(Agent.objects.filter(team=team), name, "agent"),
        name=name.strip(),
        description=description,
        instructions=instructions,
        connection=connection,
        model=model.strip(),
        options={} if options is None else options,
        capabilities=capabilities,
        is_enabled=is_enabled,
    )
    _check(agent)
    try:
        with transaction.atomic():
            agent.save(force_insert=True)
    except IntegrityError as error:
        message = _("There is an agent with the short name “%(slug)s” already.") % {"slug": agent.slug}
        raise Conflict(message) from error
    index_abilities(agent)
    return agent


@transaction.atomic
def update_agent(
    *,
    agent: Agent,
    name: str | None = None,
    description: str | None = None,
    instructions: str | None = None,
    connection: Connection | Unchanged | None = UNCHANGED,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    capabilities: Sequence[str] | None = None,
    is_enabled: bool | None = None,
    revision: int | None = None,
    by: User,
) -> Agent:
    """Change an agent; what is None stays (a connection: UNCHANGED stays, None is the team's default).

    Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, agent.team_id, Role.EDITOR)
    locked: Agent = Agent.objects.select_for_update().get(pk=agent.pk)
    if revision is not None and locked.revision != revision:
        raise StaleRevision
    given = {
        "name": name,
        "description": description,
        "instructions": instructions,
        "model": model,
        "options": options,
        "capabilities": capabilities,
        "is_enabled": is_enabled,
    }
    for field, value in given.items():
        if value is not None:
            setattr(locked, field, value)
    if not isinstance(connection, Unchanged):
        _check_connection(connection, locked.team_id)
        locked.connection = connection
    _check(locked)
    locked.revision += 1
    locked.save()
    index_abilities(locked)
    return locked


@transaction.atomic
def delete_agent(*, agent: Agent, by: User) -> None:
    """Delete an agent; runs keep what it said. Raises NotPermitted."""
    require(by, agent.team_id, Role.EDITOR)
    agent.delete()


def _check(agent: Agent) -> None:
    """Check the fields as they were given, and bring them into the form that is stored. Raises InvalidInput."""
    check_agent(
        name=agent.name,
        instructions=agent.instructions,
        model=agent.model,
        options=agent.options,
        capabilities=agent.capabilities,
    )
    agent.options, agent.capabilities = dict(agent.options), list(agent.capabilities)


def _check_connection(connection: Connection | None, team_id: object) -> None:
    """Another team's connection is as good as none. Raises InvalidInput."""
    if connection is not None and connection.team_id != team_id:
        raise InvalidInput(problems=[Problem("connection", "invalid", _("There is no such connection."))])
