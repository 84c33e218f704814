"""Transactions of the hot path inside others: what fails takes nothing else with it."""

from __future__ import annotations

import pytest
from django.db import Error, transaction

from apps.accounts.models import Team
from apps.runs import sql

LOST = "UPDATE accounts_team SET name = 'Lost' RETURNING name"


def name_of(team: Team) -> str:
    return Team.objects.get(pk=team.pk).name


def write_and_break(team: Team) -> None:
    with sql.session():
        team.name = "Lost"
        sql.update(Team, ("name",), [team])
        raise ZeroDivisionError


def write_nonsense() -> None:
    with sql.session():
        sql.fetch(LOST, [], {})
        sql.fetch("SELECT nothing FROM nowhere", [], {})


def test_a_session_that_fails_leaves_the_transaction_around_it_usable(team: Team) -> None:
    with transaction.atomic():
        Team.objects.filter(pk=team.pk).update(name="Kept")
        with pytest.raises(ZeroDivisionError):
            write_and_break(team)
        assert name_of(team) == "Kept"


def test_a_statement_that_the_database_refuses_undoes_the_session(team: Team) -> None:
    with transaction.atomic():
        with pytest.raises(Error):
            write_nonsense()
        assert name_of(team) == team.name


@pytest.mark.django_db(transaction=True)
def test_what_a_session_wrote_is_durable_when_it_ends() -> None:
    team = Team.objects.create(name="Before", slug="before")
    with sql.session():
        team.name = "After"
        sql.update(Team, ("name",), [team])
    assert name_of(team) == "After"


@pytest.mark.django_db(transaction=True)
def test_a_session_that_fails_leaves_nothing_behind() -> None:
    team = Team.objects.create(name="Before", slug="before")
    with pytest.raises(ZeroDivisionError):
        write_and_break(team)
    assert name_of(team) == "Before"
