"""The index by which agents are found by what they can do."""

from __future__ import annotations

from apps.agents.models import Ability, Agent
from orchestra.engine.capabilities import names_of, read_all


def index_abilities(agent: Agent) -> None:
    """Bring the names in the index to what the agent's capabilities say."""
    wanted = {name.lower() for name in names_of(read_all(agent.capabilities))}
    had = set(agent.abilities.values_list("name", flat=True))
    agent.abilities.filter(name__in=had - wanted).delete()
    Ability.objects.bulk_create(
        Ability(team_id=agent.team_id, agent=agent, name=name) for name in sorted(wanted - had)
    )
