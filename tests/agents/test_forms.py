"""The forms: what they clean is what the actions take, and the secret is never in the page."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Team
from apps.agents import actions
from apps.agents.forms import AgentForm, ConnectionForm
from apps.agents.models import Agent
from orchestra.errors import InvalidInput
from tests.agents.conftest import SECRET


def test_a_new_connection_goes_through_the_form(team: Team, editor: Any) -> None:
    form = ConnectionForm({"name": "Main", "dialect": "simulated", "options": "", "is_enabled": "on"})

    assert form.is_valid(), form.errors
    made = actions.create_connection(team=team, by=editor, **form.arguments())

    assert (made.name, made.dialect, made.options, made.is_enabled) == ("Main", "simulated", {}, True)


def test_the_page_never_holds_the_secret(connect: Any) -> None:
    made = connect()

    html = str(ConnectionForm(connection=made)) + str(ConnectionForm({"secret": SECRET}, connection=made))

    assert SECRET not in html
    assert made.secret not in html
    assert "••••WXYZ" in html


@pytest.mark.parametrize(("data", "kept"), [({}, True), ({"forget_secret": "on"}, False)])
def test_an_empty_secret_field_keeps_it_unless_it_is_to_go(
    data: Any, kept: bool, connect: Any, editor: Any
) -> None:
    made = connect()
    form = ConnectionForm(
        {"name": "Main", "dialect": "openai", "default_model": "m", **data}, connection=made
    )

    assert form.is_valid(), form.errors
    changed = actions.update_connection(connection=made, by=editor, **form.arguments())

    assert bool(changed.secret) is kept


def test_problems_of_the_action_stand_at_their_fields(team: Team, editor: Any) -> None:
    form = ConnectionForm(
        {"name": "Main", "dialect": "openai", "base_url": "http://10.0.0.1/", "options": '{"x": 1}'}
    )
    assert form.is_valid(), form.errors

    with pytest.raises(InvalidInput) as caught:
        actions.create_connection(team=team, by=editor, **form.arguments())
    form.add_problems(caught.value)

    assert set(form.errors) == {"base_url", "options"}


def test_an_agent_goes_through_its_form_and_back(team: Team, editor: Any, connect: Any) -> None:
    data = {
        "name": "Critic", "instructions": "  Be strict.\n", "connection": str(connect().pk), "temperature": "0.5",
        "max_tokens": "", "capabilities": "review, score ,", "is_enabled": "on",
    }  # fmt: skip
    form = AgentForm(data, team=team)

    assert form.is_valid(), form.errors
    agent = actions.create_agent(team=team, by=editor, **form.arguments())
    again = AgentForm(team=team, agent=agent).initial

    assert agent.options == {"temperature": 0.5}
    assert agent.capabilities == ["review", "score"]
    assert agent.instructions == "  Be strict.\n"
    assert (again["temperature"], again["capabilities"]) == (0.5, "review, score")


def test_the_form_offers_only_the_teams_connections(team: Team, connect: Any) -> None:
    connect("Ours")
    others = Team.objects.create(name="Others", slug="others")

    assert "Ours" in str(AgentForm(team=team))
    assert "Ours" not in str(AgentForm(team=others))


def test_an_agents_tools_and_limits_are_kept_by_its_page(client: Any, team: Team, editor: Any) -> None:
    client.force_login(editor)
    data = {"name": "Counter", "tools": ["count_words", "fibo"], "approve": ["fibo"], "max_steps": "4",
            "max_cost": "0.5", "timeout": "30", "schema": '{"type": "object"}', "is_enabled": "on"}  # fmt: skip
    made = client.post("/agents/new/", data)
    agent = Agent.objects.get(team=team)
    actions.update_agent(
        agent=agent, options={**agent.options, "tools": ["count_words", "was.there"]}, by=editor
    )
    shown = " ".join(client.get("/agents/counter/").content.decode().split())
    wrong = {
        **data,
        "tools": ["no_such"],
        "max_steps": "99",
        "timeout": "0",
        "schema": '{"type": "nonsense"}',
    }
    refused = client.post("/agents/counter/", wrong)
    bare = actions.create_agent(team=team, name="Bare", by=editor)
    unfit = client.post("/agents/counter/", {**data, "schema": '{"type": "nonsense"}'})

    assert made.status_code == 302
    assert agent.options == {
        "tools": ["count_words", "fibo"], "approve": ["fibo"], "max_steps": 4, "max_cost": 0.5,
        "timeout": 30, "schema": {"type": "object"},
    }  # fmt: skip
    assert "was.there (gone)" in shown
    assert shown.count('value="count_words"') == 2
    assert 'action="/agents/counter/try/"' in shown
    assert "null" not in str(AgentForm(team=team, agent=bare)["schema"])
    assert set(refused.context["form"].errors) == {"tools", "max_steps", "timeout"}
    assert (unfit.status_code, set(unfit.context["form"].errors)) == (422, {"schema"})
