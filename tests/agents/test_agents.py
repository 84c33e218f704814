"""Agents: what they must be, and that another team's connection is none."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role, Team
from apps.agents import actions
from apps.agents.models import Agent
from orchestra.errors import Conflict, InvalidInput, NotPermitted, StaleRevision


@pytest.fixture
def make(team: Team, editor: Any) -> Any:
    def agent(name: str = "Critic", **fields: Any) -> Agent:
        return actions.create_agent(**({"team": team, "name": name, "by": editor} | fields))

    return agent


def test_an_agent_is_made_and_changed(make: Any, connect: Any, editor: Any) -> None:
    agent = make(instructions="Be strict.", options={"temperature": 0.2}, capabilities=["review"])
    connection = connect()

    changed = actions.update_agent(agent=agent, connection=connection, model="gpt-4o", by=editor)
    renamed = actions.update_agent(agent=agent, name="Judge", by=editor)
    loose = actions.update_agent(agent=agent, connection=None, by=editor)

    assert (agent.slug, agent.revision) == ("critic", 1)
    assert (changed.connection, changed.instructions) == (connection, "Be strict.")
    assert (renamed.name, renamed.connection) == ("Judge", connection)
    assert (loose.connection, loose.revision) == (None, 4)


def test_every_problem_is_told_at_once(make: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        make("", options={"temperature": 3, "headers": {}}, capabilities=["", 7], model="m" * 200)

    assert sorted(problem.path for problem in caught.value.problems) == [
        "capabilities", "model", "name", "options.headers", "options.temperature",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", [[1], "x", 7, {"max_tokens": True}, {"temperature": float("nan")}, {"max_tokens": 0}]
)
def test_options_that_are_none_are_refused(make: Any, options: Any) -> None:
    with pytest.raises(InvalidInput):
        make(options=options)


@pytest.mark.parametrize("capabilities", ["review", 7, [""], ["a" * 61], ["a"] * 51, {"review": 1}])
def test_capabilities_that_are_none_are_refused(make: Any, editor: Any, capabilities: Any) -> None:
    agent = make()

    with pytest.raises(InvalidInput):
        make("Other", capabilities=capabilities)
    with pytest.raises(InvalidInput):
        actions.update_agent(agent=agent, capabilities=capabilities, by=editor)


def test_another_teams_connection_is_none(make: Any, connect: Any, make_user: Any) -> None:
    others = Team.objects.create(name="Others", slug="others")
    owner = make_user("bob", others, Role.OWNER)
    foreign = actions.create_connection(team=others, name="Theirs", dialect="simulated", by=owner)
    agent = make()

    with pytest.raises(InvalidInput):
        make("Thief", connection=foreign)
    with pytest.raises(InvalidInput):
        actions.update_agent(agent=agent, connection=foreign, by=owner.__class__.objects.get(username="ada"))


def test_viewers_do_not_write(make: Any, viewer: Any, team: Team) -> None:
    agent = make()

    for attempt in (
        lambda: actions.create_agent(team=team, name="X", by=viewer),
        lambda: actions.update_agent(agent=agent, name="X", by=viewer),
        lambda: actions.delete_agent(agent=agent, by=viewer),
    ):
        with pytest.raises(NotPermitted):
            attempt()


def test_short_names_and_revisions_are_kept(make: Any, editor: Any) -> None:
    agent = make(slug="critic")

    with pytest.raises(Conflict):
        make("Other", slug="critic")
    with pytest.raises(InvalidInput):
        make(slug="match")
    with pytest.raises(StaleRevision):
        actions.update_agent(agent=agent, name="X", revision=9, by=editor)
