"""Remote agents: who may register, how they stand, and who is chosen for what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents import actions, agent_keys
from apps.agents.matching import choose_agent, explain_match, is_anybody_able
from apps.agents.models import Agent, AgentToken, Presence
from apps.agents.standing import AgentState, state_in_sql, state_of
from orchestra.engine.capabilities import read_all
from orchestra.errors import Conflict, InvalidInput, NotPermitted


@pytest.fixture
def token(team: Team, editor: User) -> AgentToken:
    return actions.create_agent_token(team=team, name="Fleet", by=editor)[0]


@pytest.fixture
def register(token: AgentToken) -> Any:
    """Return a factory of remote agents that are there, unless told otherwise."""

    def make(name: str, *capabilities: str, slots: int = 2, **standing: Any) -> Agent:
        made = actions.register_agent(token=token, name=name, capabilities=list(capabilities), slots=slots)
        Presence.objects.filter(agent=made.agent).update(
            **{"seen_at": timezone.now(), "transport": "websocket", **standing}
        )
        return Agent.objects.select_related("presence").get(pk=made.agent.pk)

    return make


def test_a_token_lets_in_until_it_expires_or_is_revoked(team: Team, editor: User) -> None:
    token, text = actions.create_agent_token(team=team, name="Fleet", by=editor)

    assert agent_keys.find_token(text) == token
    assert agent_keys.find_token(text[:-1] + ("x" if text[-1] != "x" else "y")) is None
    assert agent_keys.find_agent(text) is None
    assert text not in str(AgentToken.objects.values())

    AgentToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert agent_keys.find_token(text) is None
    AgentToken.objects.update(expires_at=None)
    actions.revoke_agent_token(token=token, by=editor)
    assert agent_keys.find_token(text) is None


def test_the_same_name_over_the_same_token_is_the_same_agent_with_a_new_key(
    token: AgentToken, team: Team, editor: User
) -> None:
    first = actions.register_agent(token=token, name="Translator", capabilities=["translate"])
    second = actions.register_agent(token=token, name="Translator", capabilities=["write;words=10"], slots=5)
    other = actions.create_agent_token(team=team, name="Other", by=editor)[0]

    assert second.agent.pk == first.agent.pk
    assert agent_keys.find_agent(first.key) is None
    assert agent_keys.find_agent(second.key) == second.agent
    assert [*second.agent.abilities.values_list("name", flat=True)] == ["write"]
    with pytest.raises(Conflict):
        actions.register_agent(token=other, name="Translator", capabilities=[])


def test_a_disabled_agent_is_refused_and_does_not_come_back_by_itself(
    register: Any, token: AgentToken, editor: User
) -> None:
    made = actions.register_agent(token=token, name="Rogue", capabilities=[])

    actions.switch_agent(agent=made.agent, is_enabled=False, by=editor)

    assert agent_keys.find_agent(made.key) is None
    with pytest.raises(NotPermitted):
        actions.register_agent(token=token, name="Rogue", capabilities=[])


def test_a_scoped_token_gives_only_its_capabilities(team: Team, editor: User, viewer: User) -> None:
    token, _ = actions.create_agent_token(team=team, name="t", capabilities=["translate"], by=editor)

    actions.register_agent(token=token, name="a", capabilities=["Translate;languages=de"])
    with pytest.raises(NotPermitted, match="pay"):
        actions.register_agent(token=token, name="b", capabilities=["translate", "pay"])
    with pytest.raises(InvalidInput):
        actions.register_agent(token=token, name="", capabilities=["a;b;;c=|"], slots=0)
    with pytest.raises(NotPermitted):
        actions.create_agent_token(team=team, name="t", by=viewer)


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        ({}, AgentState.ONLINE),
        ({"running": 2}, AgentState.BUSY),
        ({"is_draining": True, "running": 2}, AgentState.DRAINING),
        ({"trouble": "no disk"}, AgentState.DEGRADED),
        ({"success": 0.2}, AgentState.DEGRADED),
        ({"seen_at": None}, AgentState.OFFLINE),
        ({"seen_at": timezone.now() - timedelta(hours=1)}, AgentState.OFFLINE),
    ],
)
def test_the_state_of_one_is_what_the_database_says_of_many(
    register: Any, standing: Any, state: AgentState
) -> None:
    agent = register("One", **standing)

    counted = Agent.objects.annotate(now=state_in_sql()).values_list("now", flat=True)

    assert state_of(agent) == state
    assert list(counted) == [state]


def test_a_sign_of_life_keeps_what_makes_sense_of_it(register: Any) -> None:
    agent = register("One", seen_at=None)

    report = {"slots": 7, "resources": {"cpu": 0.5, "memory": "much", "nonsense": 1}, "draining": "no"}
    actions.note_sign_of_life(agent=agent, transport="websocket", report=report)

    agent.presence.refresh_from_db()
    assert state_of(agent) == AgentState.ONLINE
    assert (agent.presence.slots, agent.presence.transport) == (7, "websocket")
    assert agent.presence.resources == {"cpu": 0.5}


def test_the_free_one_that_can_is_chosen_and_the_others_say_why_not(register: Any, team: Team) -> None:
    register("Busy", "translate;languages=de", running=2)
    register("Gone", "translate;languages=de", seen_at=None)
    register("Silent", "translate;languages=de", transport="http")
    register("French", "translate;languages=fr")
    register("Shaky", "translate;languages=de", success=0.1)
    register("Good", "translate;languages=de|fr")
    needs = read_all(["Translate;languages=de"])

    choice = choose_agent(team.pk, requires=needs)
    told = {
        one.agent.slug: (one.can_handle, *one.reasons) for one in explain_match(Agent.objects.all(), needs)
    }

    assert choice is not None
    assert choice.as_json()["agent"] == "good"
    assert told["good"] == (True,)
    assert told["busy"] == (True, "It is busy.")
    assert told["gone"] == (True, "It is offline.")
    assert told["french"] == (False, "translate: languages=de is needed, it has fr.")

    last = choose_agent(team.pk, requires=needs, without=[choice.candidate.id])
    assert last is not None
    assert last.candidate.slug == "shaky"
    assert is_anybody_able(team.pk, needs)
    assert not is_anybody_able(team.pk, read_all(["dance"]))


def test_a_local_agent_is_found_by_what_it_can_do(team: Team, editor: User) -> None:
    agent = actions.create_agent(team=team, name="Writer", capabilities=["Write"], by=editor)
    actions.update_agent(agent=agent, capabilities=["Write", "deep research"], by=editor)

    choice = choose_agent(team.pk, requires=read_all(["deep research", "write"]))

    assert choice is not None
    assert choice.as_json()["kind"] == "local"
