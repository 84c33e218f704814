"""Who can do what: the agents of a team that meet requirements, which of them is free, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from apps.agents.models import Agent, AgentKind, Transport
from apps.agents.standing import AgentState, silent_since, state_of
from orchestra.engine.capabilities import Capability, names_of, read_all, shortfalls
from orchestra.engine.selection import BALANCED, Candidate, Choice, choose

CONSIDERED = 100
"""Free agents that one choice looks at: more would not choose better."""
EXPLAINED = 50
"""Agents that an explanation goes through."""
CONNECTED = (Transport.WEBSOCKET, Transport.GRPC)
"""How an agent can be given something; signs of life over HTTP alone bring it nothing."""
FREE = frozenset({AgentState.ONLINE, AgentState.DEGRADED})


@dataclass(frozen=True, slots=True)
class Match:
    """What one agent can do about requirements: `reasons` say why not, and are empty when it can and is free."""

    agent: Agent
    state: AgentState
    can_handle: bool
    reasons: tuple[str, ...]


def choose_agent(
    team_id: UUID | str,
    *,
    requires: Sequence[Capability] = (),
    slug: str = "",
    strategy: str = BALANCED,
    kinds: Sequence[str] = tuple(AgentKind.values),
    without: Sequence[str] = (),
) -> Choice | None:
    """Return the free agent of a team that fits best and why, None when none is free; degraded ones come last."""
    found: list[Candidate] = []
    worse: list[Candidate] = []
    for agent in _able(_free(team_id, kinds).exclude(pk__in=list(without)), requires, slug):
        state = state_of(agent)
        if state in FREE:
            (found if state == AgentState.ONLINE else worse).append(candidate_of(agent))
        if len(found) >= CONSIDERED:
            break
    return choose(found or worse, strategy)


def is_anybody_able(team_id: UUID | str, requires: Sequence[Capability], slug: str = "") -> bool:
    """Say whether any enabled agent could do this, if it were there and free."""
    enabled = Agent.objects.filter(team_id=team_id, is_enabled=True)
    return next(_able(enabled, requires, slug), None) is not None


def explain_match(agents: QuerySet[Agent], requires: Sequence[Capability]) -> list[Match]:
    """Return what each of the first agents can do about requirements, those that can first."""
    found = [_match(agent, requires) for agent in agents.select_related("presence")[:EXPLAINED]]
    return sorted(found, key=lambda one: (not one.can_handle, bool(one.reasons), one.agent.slug))


def named(agents: QuerySet[Agent], requires: Sequence[Capability]) -> QuerySet[Agent]:
    """Return the agents that have every required name, by the index; their constraints are looked at later."""
    for name in names_of(requires):
        agents = agents.filter(abilities__name=name.lower())
    return agents


def candidate_of(agent: Agent) -> Candidate:
    """Return what choosing needs to know of an agent; a local one always has room."""
    if agent.kind == AgentKind.LOCAL:
        return Candidate(str(agent.pk), agent.slug, agent.kind)
    one = agent.presence
    return Candidate(
        id=str(agent.pk),
        slug=agent.slug,
        kind=agent.kind,
        running=one.running,
        slots=one.slots,
        latency=one.latency_seconds,
        success=one.success,
        idle_since=one.given_at.timestamp() if one.given_at else 0.0,
    )


def _free(team_id: UUID | str, kinds: Sequence[str]) -> QuerySet[Agent]:
    agents = Agent.objects.filter(team_id=team_id, is_enabled=True, kind__in=list(kinds))
    is_there = Q(
        presence__seen_at__gte=silent_since(),
        presence__transport__in=CONNECTED,
        presence__is_draining=False,
        presence__running__lt=F("presence__slots"),
    )
    return agents.filter(Q(kind=AgentKind.LOCAL) | is_there).order_by("presence__running", "pk")


def _able(agents: QuerySet[Agent], requires: Sequence[Capability], slug: str) -> Iterator[Agent]:
    if slug:
        agents = agents.filter(slug=slug)
    needs = [{**one, "name": str(one["name"]).lower()} for one in requires]
    for agent in named(agents, needs).select_related("presence").iterator(CONSIDERED):
        if not shortfalls(capabilities_of(agent), needs):
            yield agent


def capabilities_of(agent: Agent) -> list[Mapping[str, Any]]:
    """Return an agent's capabilities in their full form, names in small letters."""
    return [{**one, "name": one["name"].lower()} for one in read_all(agent.capabilities)]


def _match(agent: Agent, requires: Sequence[Capability]) -> Match:
    needs = [{**one, "name": str(one["name"]).lower()} for one in requires]
    missing = shortfalls(capabilities_of(agent), needs)
    state = state_of(agent)
    busy = [] if state in FREE else [f"It is {state.value}."]
    return Match(agent, state, not missing, (*missing, *busy))
