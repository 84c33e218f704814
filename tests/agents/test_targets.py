"""From a node's settings to models: names within the team, defaults, fallbacks, prices."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role, Team
from apps.agents import actions
from apps.agents.crypto import UnreadableSecret
from apps.agents.models import Connection
from apps.agents.targets import resolve_targets
from orchestra.errors import ModelRefused
from orchestra.llm.anthropic import AnthropicClient
from orchestra.llm.openai import OpenAIClient
from orchestra.llm.simulated import SimulatedClient


@pytest.fixture
def agent(team: Team, editor: Any) -> Any:
    def make(name: str = "Writer", **fields: Any) -> Any:
        return actions.create_agent(team=team, name=name, by=editor, **fields)

    return make


def shape(targets: Any) -> list[tuple[str, str]]:
    return [(target.connection, target.model) for target in targets]


def test_neither_agent_nor_connection_is_the_default(connect: Any, team: Team) -> None:
    connect("First")
    connect("Second", default_model="other")

    targets = resolve_targets(team.pk, {"prompt": "x"})

    assert shape(targets) == [("first", "gpt-4o")]
    assert isinstance(targets[0].client, OpenAIClient)
    assert targets[0].system == ""


def test_an_agent_brings_connection_model_instructions_and_options(
    connect: Any, agent: Any, team: Team
) -> None:
    connect("First")
    claude = connect("Claude", dialect="anthropic", default_model="claude-x")
    agent("Writer", connection=claude, instructions="Write.", options={"temperature": 0.3})
    agent("Namer", connection=claude, model="claude-y")
    agent("Loose")

    writer = resolve_targets(team.pk, {"agent": "writer"})[0]

    assert (writer.connection, writer.model, writer.system) == ("claude", "claude-x", "Write.")
    assert writer.options == {"temperature": 0.3}
    assert isinstance(writer.client, AnthropicClient)
    assert shape(resolve_targets(team.pk, {"agent": "namer"})) == [("claude", "claude-y")]
    assert shape(resolve_targets(team.pk, {"agent": "namer", "model": "claude-z"})) == [
        ("claude", "claude-z")
    ]
    assert shape(resolve_targets(team.pk, {"agent": "loose"})) == [("first", "gpt-4o")]


def test_fallbacks_follow_in_order(connect: Any, agent: Any, team: Team) -> None:
    connect("First")
    spare = connect("Spare", default_model="spare-1")
    agent("Backup", connection=spare, model="spare-2")
    fallbacks = [
        "spare",
        {"model": "gpt-4o-mini"},
        {"agent": "backup"},
        {"connection": "spare", "model": "m"},
    ]

    targets = resolve_targets(team.pk, {"connection": "first", "fallbacks": fallbacks})

    assert shape(targets) == [
        ("first", "gpt-4o"), ("spare", "spare-1"), ("first", "gpt-4o-mini"), ("spare", "spare-2"), ("spare", "m"),
    ]  # fmt: skip


def test_unknown_names_are_answered_with_those_that_exist(connect: Any, agent: Any, team: Team) -> None:
    connect("First")
    agent("Writer")

    with pytest.raises(ModelRefused, match=r"no agent 'wrter'. There are: writer\."):
        resolve_targets(team.pk, {"agent": "wrter"})
    with pytest.raises(ModelRefused, match=r"no connection 'frist'. There are: first\."):
        resolve_targets(team.pk, {"connection": "frist"})
    with pytest.raises(ModelRefused, match="no connection 'gone'"):
        resolve_targets(team.pk, {"fallbacks": ["gone"]})


def test_without_a_default_it_says_so(connect: Any, editor: Any, team: Team) -> None:
    with pytest.raises(ModelRefused, match=r"no default connection\. There are none yet"):
        resolve_targets(team.pk, {})
    made = connect("First")
    actions.update_connection(connection=made, is_default=False, by=editor)
    with pytest.raises(ModelRefused, match="There are: first"):
        resolve_targets(team.pk, {})


def test_another_teams_names_do_not_exist(connect: Any, agent: Any, make_user: Any) -> None:
    agent("Writer", connection=connect("First"))
    others = Team.objects.create(name="Others", slug="others")
    make_user("bob", others, Role.OWNER)

    for settings, told in (
        ({"agent": "writer"}, "no agent 'writer'"),
        ({"connection": "first"}, "no connection 'first'"),
        ({}, "no default connection"),
    ):
        with pytest.raises(ModelRefused, match=rf"{told}\. There are none yet"):
            resolve_targets(others.pk, settings)


def test_what_is_switched_off_is_passed_over(connect: Any, agent: Any, editor: Any, team: Team) -> None:
    first = connect("First")
    connect("Spare", default_model="spare-1")
    off = agent("Writer")
    actions.update_connection(connection=first, is_enabled=False, by=editor)
    actions.update_agent(agent=off, is_enabled=False, by=editor)

    assert shape(resolve_targets(team.pk, {"fallbacks": ["spare"]})) == [("spare", "spare-1")]
    assert shape(resolve_targets(team.pk, {"agent": "writer", "fallbacks": ["spare"]})) == [
        ("spare", "spare-1")
    ]
    with pytest.raises(ModelRefused, match="'first' is switched off"):
        resolve_targets(team.pk, {})
    with pytest.raises(ModelRefused, match="'writer' is switched off"):
        resolve_targets(team.pk, {"agent": "writer"})


def test_a_model_must_be_named_somewhere(connect: Any, team: Team) -> None:
    connect("First", default_model="")

    with pytest.raises(ModelRefused, match="no default model"):
        resolve_targets(team.pk, {})
    assert shape(resolve_targets(team.pk, {"model": "m"})) == [("first", "m")]


def test_the_simulated_connection_needs_nothing(connect: Any, team: Team) -> None:
    connect("Local", dialect="simulated", secret="", default_model="", options={"latency": 0, "tps": 0})

    target = resolve_targets(team.pk, {})[0]

    assert isinstance(target.client, SimulatedClient)
    assert (target.model, target.prices) == ("simulated-1", (0.0, 0.0))


def test_an_unreadable_secret_is_told(connect: Any, team: Team, settings: Any) -> None:
    connect("First")
    settings.FIELD_KEYS = ["another ring"]

    with pytest.raises(UnreadableSecret):
        resolve_targets(team.pk, {})


def test_a_client_is_kept_until_its_connection_changes(connect: Any, editor: Any, team: Team) -> None:
    made = connect("First")
    before = resolve_targets(team.pk, {})[0].client

    same = resolve_targets(team.pk, {})[0].client
    actions.update_connection(connection=made, secret="another-secret-1", by=editor)
    after = resolve_targets(team.pk, {})[0].client

    assert same is before
    assert after is not before


def test_prices_are_the_connections_own_first(connect: Any, team: Team, settings: Any) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({"localhost:11434"})
    connect("Own", options={"prices": {"gpt-4o": [1, 2]}})
    connect("Public")
    connect("Local", base_url="http://localhost:11434/v1", default_model="llama3.1")

    prices = {
        slug: resolve_targets(team.pk, {"connection": slug})[0].prices for slug in ("own", "public", "local")
    }

    assert prices["own"] == (1.0, 2.0)
    assert prices["local"] == (0.0, 0.0)
    assert prices["public"] is not None
    assert prices["public"][0] > 0


def test_resolving_asks_the_database_little(
    connect: Any, agent: Any, team: Team, django_assert_max_num_queries: Any
) -> None:
    agent("Writer", connection=connect("First"))

    with django_assert_max_num_queries(2):
        resolve_targets(team.pk, {"agent": "writer"})


def test_the_installation_sets_the_simulated_models_pace(connect: Any, team: Team, settings: Any) -> None:
    settings.ORCHESTRA_SIMULATED = "latency=0 tps=7"
    connect("Local", dialect="simulated", secret="", options={"latency": 2})

    client = resolve_targets(team.pk, {})[0].client

    assert isinstance(client, SimulatedClient)
    assert (client.script.latency, client.script.tps) == (2.0, 7.0)


def test_targets_never_show_a_secret(connect: Any, team: Team) -> None:
    connect("First")

    target = resolve_targets(team.pk, {})[0]

    assert "abcdefgh" not in repr(target)
    assert Connection.objects.get().secret not in repr(target)
