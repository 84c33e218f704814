"""Connections: who may write them, what they must be, where their secret may go."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role
from apps.agents import actions, crypto
from apps.agents.models import Connection
from orchestra.errors import Conflict, InvalidInput, NotPermitted, StaleRevision
from tests.agents.conftest import SECRET


def secret_of(connection: Connection) -> str:
    connection.refresh_from_db()
    return crypto.decrypt(connection.secret, row=connection.pk, field="secret")


def problems(caught: Any) -> dict[str, str]:
    return {problem.path: problem.code for problem in caught.value.problems}


def test_a_connection_keeps_its_secret_and_shows_four_characters(connect: Any) -> None:
    made = connect("Main provider")

    assert secret_of(made) == SECRET
    assert made.secret_hint == "WXYZ"
    assert made.slug == "main-provider"
    assert made.revision == 1


@pytest.mark.parametrize("secret", ["", "short", "elevenchars"])
def test_a_short_secret_gives_no_hint(connect: Any, secret: str) -> None:
    assert connect(secret=secret).secret_hint == ""


def test_the_first_connection_is_the_default_and_there_is_one(connect: Any, editor: Any) -> None:
    first, second = connect("First"), connect("Second")
    assert (first.is_default, second.is_default) == (True, False)

    third = connect("Third", is_default=True)
    actions.update_connection(connection=second, is_default=True, by=editor)

    assert list(Connection.objects.filter(is_default=True).values_list("name", flat=True)) == ["Second"]
    assert third.is_default


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, None])
def test_only_editors_write(role: Role | None, connect: Any, make_user: Any, team: Any) -> None:
    stranger = make_user("eve", team if role else None, role or Role.VIEWER)
    made = connect()

    for attempt in (
        lambda: actions.create_connection(team=team, name="X", dialect="simulated", by=stranger),
        lambda: actions.update_connection(connection=made, name="X", by=stranger),
        lambda: actions.test_connection(connection=made, by=stranger),
        lambda: actions.delete_connection(connection=made, by=stranger),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    assert Connection.objects.get().name == "Main"


def test_every_problem_is_told_at_once(connect: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        connect(
            " ",
            dialect="telepathy",
            base_url="http://169.254.169.254/v1",
            secret="two words",
            options={"speed": 1, "headers": [], "structured": "maybe", "tps": "fast"},
        )

    assert problems(caught) == {
        "name": "required",
        "dialect": "invalid",
        "base_url": "address_not_allowed",
        "secret": "invalid",
        "options.speed": "unknown",
        "options.headers": "invalid",
        "options.structured": "invalid",
        "options.tps": "invalid",
    }
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    "base_url",
    [
        "file:///x",
        "http://10.0.0.1/v1",
        "http://localhost/v1",
        "https://u:p@example.com",
        "https://example.com/v1?key=a",
    ],
)
def test_a_base_url_must_be_a_plain_public_one(connect: Any, base_url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        connect(base_url=base_url)

    assert list(problems(caught)) == ["base_url"]


def test_an_operators_exception_lets_a_local_server_in(connect: Any, settings: Any) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({"localhost:11434"})

    assert connect(base_url="http://localhost:11434/v1/").base_url == "http://localhost:11434/v1"


@pytest.mark.parametrize("secret", ["line\nbreak", "tab\t", "é", "a" * 5000])
def test_a_secret_that_could_not_be_a_header_is_refused(connect: Any, secret: str) -> None:
    with pytest.raises(InvalidInput):
        connect(secret=f"{secret}!")


@pytest.mark.parametrize("slug", ["Upper", "a b", "-a", "é"])
def test_a_short_name_must_be_one(connect: Any, slug: str) -> None:
    with pytest.raises(InvalidInput):
        connect(slug=slug)


def test_a_word_of_the_addresses_is_refused_as_such(connect: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        connect(slug="new")

    [problem] = refused.value.problems
    assert (problem.code, "“new”" in problem.message) == ("reserved", True)


def test_a_taken_short_name_is_a_conflict_and_names_are_numbered(connect: Any) -> None:
    connect("Main", slug="main")

    with pytest.raises(Conflict):
        connect("Other", slug="main")
    assert connect("Main").slug == "main-2"
    assert connect("中文").slug == "connection"


@pytest.mark.parametrize("mask", ["••••WXYZ", "…WXYZ", "****", None])
def test_the_mask_keeps_the_stored_secret(connect: Any, editor: Any, mask: str | None) -> None:
    made = connect()

    actions.update_connection(connection=made, name="Renamed", secret=mask, by=editor)

    assert secret_of(made) == SECRET
    assert made.name == "Renamed"
    assert made.revision == 2


def test_an_empty_secret_removes_it(connect: Any, editor: Any) -> None:
    made = actions.update_connection(connection=connect(), secret="", by=editor)

    assert (made.secret, made.secret_hint) == ("", "")


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://elsewhere.example/v1"},
        {"base_url": "http://api.openai.com/v1"},
        {"base_url": "https://api.openai.com:8443/v1"},
        {"dialect": "anthropic"},
    ],
)
def test_a_secret_does_not_follow_to_another_place(connect: Any, editor: Any, change: dict[str, str]) -> None:
    made = connect()

    with pytest.raises(InvalidInput) as caught:
        actions.update_connection(connection=made, by=editor, **change)
    with pytest.raises(InvalidInput):
        actions.update_connection(connection=made, secret="••••WXYZ", by=editor, **change)

    assert problems(caught) == {"secret": "required"}
    made.refresh_from_db()
    assert (made.base_url, made.dialect) == ("", "openai")
    moved = actions.update_connection(connection=made, secret="another-secret-1", by=editor, **change)
    assert secret_of(moved) == "another-secret-1"


def test_another_path_at_the_same_place_keeps_the_secret(connect: Any, editor: Any) -> None:
    made = actions.update_connection(connection=connect(), base_url="https://api.openai.com/v2/", by=editor)

    assert made.base_url == "https://api.openai.com/v2"
    assert secret_of(made) == SECRET


def test_a_stale_revision_changes_nothing(connect: Any, editor: Any) -> None:
    made = connect()
    actions.update_connection(connection=made, name="One", revision=1, by=editor)

    with pytest.raises(StaleRevision):
        actions.update_connection(connection=made, name="Two", revision=1, by=editor)

    made.refresh_from_db()
    assert made.name == "One"


def test_a_connection_can_be_switched_off_whatever_the_rules_say_by_now(
    connect: Any, editor: Any, settings: Any
) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({"localhost:11434"})
    made = connect(base_url="http://localhost:11434/v1")
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset()

    assert not actions.update_connection(connection=made, is_enabled=False, by=editor).is_enabled


def test_a_connection_that_agents_use_stays(connect: Any, editor: Any, team: Any) -> None:
    made = connect()
    agent = actions.create_agent(team=team, name="Critic", connection=made, by=editor)

    with pytest.raises(Conflict, match="Critic"):
        actions.delete_connection(connection=made, by=editor)
    actions.delete_agent(agent=agent, by=editor)
    actions.delete_connection(connection=made, by=editor)

    assert not Connection.objects.exists()
