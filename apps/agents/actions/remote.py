"""Writes to remote agents: tokens that let them in, registering, signs of life, draining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.actions.abilities import index_abilities
from apps.agents.agent_keys import KEY, TOKEN, new_secret
from apps.agents.checks import check_capabilities, check_remote
from apps.agents.models import Agent, AgentKind, AgentToken, Presence
from apps.agents.slugs import free_slug
from orchestra.engine.capabilities import names_of, read_all
from orchestra.errors import Conflict, InvalidInput, NotPermitted, Problem

RESOURCES = ("cpu", "memory", "disk", "network_in", "network_out")
MOST_FIGURE = 1e18


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered agent and its key, which is not stored and not shown again."""

    agent: Agent
    key: str


@transaction.atomic
def create_agent_token(
    *, team: Team, name: str, capabilities: Sequence[str] = (), expires_at: datetime | None = None, by: User
) -> tuple[AgentToken, str]:
    """Make a registration token and return it with its text, which is not stored and not shown again.

    `capabilities` are the only names that its agents may register with; none: any. Raises NotPermitted, InvalidInput.
    """
    require(by, team.pk, Role.EDITOR)
    check_capabilities(capabilities)
    problems = [] if name.strip() else [Problem("name", "required", _("A name is needed."))]
    if expires_at is not None and expires_at <= timezone.now():
        problems.append(Problem("expires_at", "in_the_past", _("Choose a time to come.")))
    if problems:
        raise InvalidInput(problems=problems)
    made = new_secret(TOKEN)
    token = AgentToken.objects.create(
        team=team,
        name=name.strip()[:80],
        prefix=made.prefix,
        key_hash=made.key_hash,
        capabilities=names_of(read_all(list(capabilities))),
        created_by=by,
        expires_at=expires_at,
    )
    return token, made.text


@transaction.atomic
def revoke_agent_token(*, token: AgentToken, by: User) -> AgentToken:
    """Let nobody register with a token any more; agents that have registered stay. Raises NotPermitted."""
    require(by, token.team_id, Role.EDITOR)
    AgentToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    token.refresh_from_db()
    return token


@transaction.atomic
def register_agent(
    *,
    token: AgentToken,
    name: str,
    capabilities: Sequence[str],
    description: str = "",
    slots: int = 1,
    version: str = "",
) -> Registered:
    """Register a program as an agent of the token's team. The same name over the same token is the same agent anew.

    Its former key ends with that. Raises InvalidInput, NotPermitted (a capability that the token does not give),
    Conflict (another agent has the name).
    """
    check_remote(name=name, capabilities=capabilities, slots=slots)
    _check_allowed(token, capabilities)
    now = timezone.now()
    AgentToken.objects.filter(pk=token.pk).update(last_used_at=now)
    agent = _agent_named(token, name.strip())
    agent.description = description[:2000]
    agent.capabilities = list(capabilities)
    agent.revision += not agent._state.adding
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:
        raise Conflict(_("Another agent is being registered under this name.")) from error
    made = new_secret(KEY)
    fields = {"team": token.team, "token": token, "prefix": made.prefix, "key_hash": made.key_hash}
    fields |= {
        "slots": slots,
        "version": version[:80],
        "registered_at": now,
        "is_draining": False,
        "trouble": "",
    }
    agent.presence, _is_new = Presence.objects.update_or_create(agent=agent, defaults=fields)
    index_abilities(agent)
    return Registered(agent, made.text)


def note_sign_of_life(
    *, agent: Agent, transport: str | None = None, report: Mapping[str, Any] | None = None
) -> datetime:
    """Write down that a remote agent is there; return at what time.

    It reports `{slots, draining, trouble, resources}`: what it does not report stays; what makes no sense is left out.
    """
    now = timezone.now()
    changes: dict[str, Any] = {"seen_at": now}
    given = report or {}
    if transport is not None:
        changes["transport"] = transport
    slots = given.get("slots")
    if isinstance(slots, int) and not isinstance(slots, bool) and 0 <= slots <= 10_000:
        changes["slots"] = slots
    if isinstance(given.get("draining"), bool):
        changes["is_draining"] = given["draining"]
    if isinstance(given.get("trouble"), str):
        changes["trouble"] = given["trouble"].replace("\x00", "")[:200]
    if isinstance(given.get("resources"), Mapping):
        changes["resources"] = _figures(given["resources"])
    Presence.objects.filter(agent=agent).update(**changes)
    return now


def note_gone(*, agent: Agent, last_seen_at: datetime) -> None:
    """Write down that a connection has ended over which an agent was last seen at that time: it is offline.

    What it holds stays its own until its leases run out; one that has been seen since then stays there.
    """
    Presence.objects.filter(agent=agent, seen_at=last_seen_at).update(seen_at=None)


@transaction.atomic
def drain_agent(*, agent: Agent, is_draining: bool, by: User) -> Agent:
    """Give a remote agent nothing new, or again something. Raises NotPermitted, Conflict (it is not remote)."""
    require(by, agent.team_id, Role.OPERATOR)
    if not Presence.objects.filter(agent=agent).update(is_draining=is_draining):
        raise Conflict(_("Only remote agents are drained; disable this one instead."))
    changed: Agent = Agent.objects.select_related("presence", "connection").get(pk=agent.pk)
    return changed


@transaction.atomic
def switch_agent(*, agent: Agent, is_enabled: bool, by: User) -> Agent:
    """Enable an agent, or disable it: it gets nothing new and its key is refused. Raises NotPermitted."""
    require(by, agent.team_id, Role.OPERATOR)
    Agent.objects.filter(pk=agent.pk).update(is_enabled=is_enabled)
    agent.is_enabled = is_enabled
    return agent


def _agent_named(token: AgentToken, name: str) -> Agent:
    """Return the agent that this token has registered under a name before, or a new one. Raises Conflict."""
    found: Agent | None = (
        Agent.objects.select_for_update().filter(team=token.team, name=name).order_by("created_at").first()
    )
    if found is None:
        slug = free_slug(Agent.objects.filter(team=token.team), name, "agent")
        return Agent(team=token.team, slug=slug, name=name, kind=AgentKind.REMOTE)
    is_ours = found.kind == AgentKind.REMOTE and found.presence.token_id == token.pk
    if not is_ours:
        raise Conflict(
            _("There is another agent named “%(name)s” already; choose another name.") % {"name": name}
        )
    if not found.is_enabled:
        raise NotPermitted(_("The agent “%(name)s” is disabled; a person has to enable it.") % {"name": name})
    return found


def _check_allowed(token: AgentToken, capabilities: Sequence[str]) -> None:
    allowed = {str(name).lower() for name in token.capabilities}
    asked = {name.lower() for name in names_of(read_all(list(capabilities)))}
    if allowed and not asked <= allowed:
        names = ", ".join(sorted(asked - allowed))
        raise NotPermitted(
            _("The registration token does not let agents have: %(names)s.") % {"names": names}
        )


def _figures(given: Mapping[str, Any]) -> dict[str, float]:
    found = {name: given.get(name) for name in RESOURCES}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST_FIGURE
    }
