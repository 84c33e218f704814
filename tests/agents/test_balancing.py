"""Several keys of a connection, and groups of connections: who takes a call, who takes it next, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.core.management import call_command

from apps.accounts.models import Role
from apps.agents import actions, crypto
from apps.agents.forms import ConnectionForm
from apps.agents.models import Connection, ConnectionKey
from apps.agents.routes import read_fallbacks, read_members, write_fallbacks, write_members
from apps.agents.targets import resolve_targets
from orchestra.errors import Conflict, InvalidInput, ModelRefused, NotPermitted

SECOND = "sk-second-0123456789"


@pytest.fixture
def keyed(connect: Any, editor: Any) -> Connection:
    """A connection with a second key of weight 2."""
    made = connect()
    actions.add_key(connection=made, name="second", secret=SECOND, weight=2, by=editor)
    made.refresh_from_db()
    return made


def test_a_key_is_stored_encrypted_and_named_only(keyed: Connection) -> None:
    key = ConnectionKey.objects.get()

    assert SECOND not in key.secret
    assert crypto.decrypt(key.secret, row=key.pk, field="secret") == SECOND
    assert (key.secret_hint, keyed.has_keys) == ("6789", True)


def test_calls_take_turns_by_weight_and_the_other_key_is_the_fallback(keyed: Connection, team: Any) -> None:
    found = [resolve_targets(team.pk, {}) for _ in range(30)]

    firsts = Counter("second" in targets[0].why for targets in found)
    assert firsts == {True: 20, False: 10}
    assert all(len({target.account for target in targets}) == 2 for targets in found)
    assert all(len({id(target.client) for target in targets}) == 2 for targets in found)
    assert "its turn" in found[0][0].why


def test_a_key_that_is_off_or_removed_takes_no_calls(keyed: Connection, team: Any, editor: Any) -> None:
    key = keyed.keys.get()

    actions.update_key(key=key, is_enabled=False, by=editor)
    assert len(resolve_targets(team.pk, {})) == 1
    actions.update_key(key=key, is_enabled=True, weight=5, by=editor)
    assert len(resolve_targets(team.pk, {})) == 2
    actions.remove_key(key=key, by=editor)
    assert len(resolve_targets(team.pk, {})) == 1
    assert not Connection.objects.get().has_keys


def test_further_keys_do_not_follow_to_another_host(keyed: Connection, editor: Any) -> None:
    with pytest.raises(InvalidInput):
        actions.update_connection(
            connection=keyed, base_url="https://thief.example.org/v1", secret="sk-entered-again-1", by=editor
        )

    assert Connection.objects.get().base_url == keyed.base_url


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"weight": 0}, {"secret": ""}, {"secret": "two words"}, {"weight": 5000}]
)
def test_a_key_is_checked(fields: Any, connect: Any, editor: Any) -> None:
    with pytest.raises(InvalidInput):
        actions.add_key(connection=connect(), **{"name": "k", "secret": SECOND, **fields}, by=editor)


def test_names_of_keys_differ_and_only_editors_add_them(
    keyed: Connection, editor: Any, make_user: Any, team: Any
) -> None:
    with pytest.raises(Conflict):
        actions.add_key(connection=keyed, name="second", secret=SECOND, by=editor)
    with pytest.raises(NotPermitted):
        actions.add_key(connection=keyed, name="k", secret=SECOND, by=make_user("vic", team, Role.VIEWER))


def test_keys_are_rotated_with_the_other_secrets(keyed: Connection, settings: Any) -> None:
    settings.FIELD_KEYS = ["a new key in front", *settings.FIELD_KEYS]

    call_command("rotate_keys")

    key = ConnectionKey.objects.get()
    assert crypto.is_current(key.secret)
    assert crypto.decrypt(key.secret, row=key.pk, field="secret") == SECOND


@pytest.fixture
def group(connect: Any) -> Any:
    """Return a factory of groups of east, west and odd (which is switched off)."""
    connect("East", dialect="simulated", secret="")
    connect("West", dialect="simulated", secret="", options={"fallbacks": ["pool", "last"]})
    connect("Odd", dialect="simulated", secret="", is_enabled=False)
    connect("Last", dialect="simulated", secret="")

    def make(**options: Any) -> Connection:
        members = ["east", {"connection": "west", "weight": 3, "model": "simulated-2"}, "odd", "gone", "pool"]
        made: Connection = connect(
            "Pool", dialect="group", secret="", options={"members": members, **options}
        )
        return made

    return make


def test_a_group_stands_for_its_members_and_then_their_fallbacks(group: Any, team: Any) -> None:
    group()

    found = resolve_targets(team.pk, {"connection": "pool"})

    assert {(one.connection, one.model) for one in found[:2]} == {
        ("east", "gpt-4o"),
        ("west", "simulated-2"),
    }
    assert [one.connection for one in found[2:]] == ["last"]
    assert found[0].why == "round_robin in pool: its turn"
    assert found[1].why == ""


def test_a_user_stays_with_a_member(group: Any, team: Any) -> None:
    group(strategy="hash")

    def first(user: str) -> str:
        return resolve_targets(team.pk, {"connection": "pool"}, user=user)[0].connection

    assert len({first("ann") for _ in range(10)}) == 1
    assert {first(f"user {number}") for number in range(60)} == {"east", "west"}


def test_a_group_whose_members_are_all_away_says_so(connect: Any, team: Any) -> None:
    connect("Pool", dialect="group", secret="", options={"members": ["gone"]})

    with pytest.raises(ModelRefused, match="members"):
        resolve_targets(team.pk, {"connection": "pool"})


def test_a_group_is_tested_through_its_members(group: Any, editor: Any) -> None:
    result = actions.test_connection(connection=group(), by=editor)

    assert result.is_ok
    assert result.models == ("simulated-1", "simulated-2")


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "best"},
        {"members": "east"},
        {"members": [{"connection": "east", "weight": 0}]},
        {"members": [{"weight": 1}]},
        {"fallbacks": [{"for": "x"}]},
        {"fallbacks": [3]},
        {"weight": True},
    ],
)
def test_routes_are_checked(options: Any, connect: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        connect(options=options)

    assert [problem.path for problem in caught.value.problems] == [f"options.{next(iter(options))}"]


def test_routes_are_written_in_one_line_and_read_again() -> None:
    fallbacks = [
        "spare",
        {"connection": "b", "model": "org/m:8b"},
        {"model": "mini"},
        {"for": "x:y", "connection": "c"},
    ]
    members = ["east", {"connection": "west", "model": "m/2", "weight": 2.5}]

    assert write_fallbacks(fallbacks) == "spare, b/org/m:8b, /mini, x:y: c"
    assert read_fallbacks(write_fallbacks(fallbacks)) == fallbacks
    assert write_members(members) == "east, west/m/2*2.5"
    assert read_members(write_members(members)) == members


def test_the_form_keeps_routes_and_other_options_apart(connect: Any) -> None:
    options = {"fallbacks": ["spare"], "strategy": "latency", "retries": 1}
    initial = ConnectionForm(connection=connect(options=options)).initial

    form = ConnectionForm({**initial, "options": '{"retries": 2}', "secret": "", "fallbacks": "spare, /mini"})

    assert (initial["fallbacks"], initial["strategy"], initial["options"]) == (
        "spare",
        "latency",
        {"retries": 1},
    )
    assert form.is_valid(), form.errors
    assert form.arguments()["options"] == {
        "retries": 2,
        "fallbacks": ["spare", {"model": "mini"}],
        "strategy": "latency",
    }
