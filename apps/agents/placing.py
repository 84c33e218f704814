"""Where an agent's work is done: by a local agent here, or by a remote one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from apps.agents.matching import choose_agent
from apps.agents.models import Agent, AgentKind
from orchestra.engine.nodes.handover import BadRequirement, requirements_of
from orchestra.engine.selection import BALANCED, Placement


def place_agent(team_id: UUID | str, settings: Mapping[str, Any]) -> Placement:
    """Return who does what a node's rendered settings ask for by `agent` and `requires`.

    When nobody who can do it is free, it is laid down for the remote agent that will be. Raises BadRequirement.
    """
    slug = str(settings.get("agent") or "")
    requires = requirements_of(settings)
    if not requires:
        kind = Agent.objects.filter(team_id=team_id, slug=slug).values_list("kind", flat=True).first()
        return Placement(slug, is_remote=kind == AgentKind.REMOTE)
    if slug and not Agent.objects.filter(team_id=team_id, slug=slug).exists():
        raise BadRequirement(f"There is no agent {slug!r}.")
    strategy = str(settings.get("strategy") or BALANCED)
    choice = choose_agent(team_id, requires=requires, slug=slug, strategy=strategy)
    if choice is not None and choice.candidate.kind == AgentKind.LOCAL:
        return Placement(choice.candidate.slug, is_remote=False, choice=choice.as_json())
    return Placement(slug, is_remote=True)
