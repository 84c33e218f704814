"""Circuit breakers as rows: every change is kept, one caller probes, a person may close it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.agents.actions import breakers, close_breaker
from apps.agents.models import Breaker, BreakerChange, Connection
from apps.agents.targets import resolve_targets
from orchestra.errors import NotPermitted
from orchestra.llm.breaker import BreakerRules, Circuit

RULES = BreakerRules()


def fail(connection: Connection, times: int = 5) -> Circuit:
    return breakers.report_calls(
        connection_id=str(connection.pk),
        rules=RULES,
        succeeded=0,
        failed=times,
        reason="It answers 500.",
        by="w1",
    )


def changes(connection: Connection) -> list[tuple[str, str, str]]:
    found = BreakerChange.objects.filter(connection=connection).order_by("pk")
    return list(found.values_list("before", "after", "by"))


def test_failures_open_it_and_the_targets_that_are_chosen_know(connect: Any, team: Any) -> None:
    connection = connect()

    fail(connection)

    row = Breaker.objects.get()
    [target] = resolve_targets(team.pk, {})
    assert (row.state, row.reason) == ("open", "It answers 500.")
    assert target.circuit == row.circuit
    assert target.breaker == RULES
    assert changes(connection) == [("closed", "open", "w1")]


def test_one_worker_probes_and_closes_it(connect: Any) -> None:
    connection = connect()
    fail(connection)
    Breaker.objects.update(until=timezone.now() - timedelta(seconds=1))

    first, _circuit = breakers.ask_permit(connection_id=str(connection.pk), by="w1")
    second, _circuit = breakers.ask_permit(connection_id=str(connection.pk), by="w2")
    after = breakers.end_probe(connection_id=str(connection.pk), rules=RULES, is_ok=True, reason="", by="w1")

    assert (first.is_probe, second.is_free) == (True, False)
    assert after == Circuit()
    assert [after for _before, after, _by in changes(connection)] == ["open", "half_open", "closed"]


def test_a_connection_that_is_gone_has_no_breaker(connect: Any, editor: Any) -> None:
    connection = connect()
    key = str(connection.pk)
    connection.delete()

    assert breakers.ask_permit(connection_id=key, by="w1")[0].is_free
    assert not Breaker.objects.exists()


def test_an_editor_may_close_it(connect: Any, editor: Any, make_user: Any, team: Any) -> None:
    connection = connect()
    fail(connection)

    with pytest.raises(NotPermitted):
        close_breaker(connection=connection, by=make_user("vic", team, Role.VIEWER))
    close_breaker(connection=connection, by=editor)

    assert Breaker.objects.get().state == "closed"
    assert changes(connection)[-1] == ("open", "closed", editor.username)


def test_old_changes_are_forgotten(connect: Any) -> None:
    fail(connect())
    BreakerChange.objects.update(at=timezone.now() - timedelta(days=breakers.KEPT_DAYS + 1))

    assert breakers.purge_changes() == 1


@pytest.mark.parametrize(
    ("dialect", "options", "failures"),
    [
        ("openai", {}, 5),
        ("openai", {"breaker_failures": 9}, 9),
        ("openai", {"breaker_failures": 0}, None),
        ("simulated", {}, None),
        ("simulated", {"breaker_failures": 2}, 2),
    ],
)
def test_the_options_say_when_it_opens(
    dialect: str, options: Any, failures: int | None, connect: Any, team: Any
) -> None:
    connect(dialect=dialect, options=options)

    [target] = resolve_targets(team.pk, {})

    assert (target.breaker.failures if target.breaker else None) == failures


def test_connections_name_what_is_tried_next(connect: Any, team: Any) -> None:
    connect(
        "Main", options={"fallbacks": ["spare", {"model": "mini", "for": "gpt-4o"}, {"connection": "gone"}]}
    )
    connect("Spare", options={"fallbacks": ["main", {"connection": "last", "model": "x", "for": "other"}]})
    connect("Last")

    found = resolve_targets(team.pk, {"connection": "main"})

    assert [(one.connection, one.model) for one in found] == [
        ("main", "gpt-4o"),
        ("spare", "gpt-4o"),
        ("main", "mini"),
    ]
