"""Secrets at rest: unreadable without the ring, bound to their row and field, rotated by a command."""

from __future__ import annotations

import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database

from apps.agents import crypto
from apps.agents.management.commands import rotate_keys
from apps.agents.models import Connection
from tests.agents.conftest import SECRET

ROW = uuid4()


def sealed(value: str = SECRET) -> str:
    return crypto.encrypt(value, row=ROW, field="secret")


@pytest.mark.parametrize("value", ["four", SECRET, "ключ 密钥 🔑", "a" * 4096])
def test_what_is_encrypted_comes_back(value: str) -> None:
    stored = sealed(value)

    assert value not in stored
    assert crypto.decrypt(stored, row=ROW, field="secret") == value


def test_equal_values_look_different() -> None:
    assert sealed() != sealed()


def test_nothing_stays_nothing() -> None:
    assert sealed("") == ""
    assert crypto.decrypt("", row=ROW, field="secret") == ""


@pytest.mark.parametrize("place", [{"row": uuid4(), "field": "secret"}, {"row": ROW, "field": "other"}])
def test_a_secret_moved_elsewhere_cannot_be_read(place: Any) -> None:
    with pytest.raises(crypto.UnreadableSecret):
        crypto.decrypt(sealed(), **place)


def test_a_changed_secret_cannot_be_read() -> None:
    stored = sealed()
    middle = len(stored) // 2
    swapped = "A" if stored[middle] != "A" else "B"

    for changed in (
        stored[:middle] + swapped + stored[middle + 1 :],
        stored[:-8],
        stored + "AAAA",
        "v2" + stored[2:],
    ):
        with pytest.raises(crypto.UnreadableSecret):
            crypto.decrypt(changed, row=ROW, field="secret")


@pytest.mark.parametrize("stored", ["plain text", "v1", "v1.", "v1..", "v1.abc.def", "...", "v1.\u00e9.é"])
def test_what_was_never_encrypted_cannot_be_read(stored: str) -> None:
    with pytest.raises(crypto.UnreadableSecret):
        crypto.decrypt(stored, row=ROW, field="secret")


def test_the_first_key_encrypts_and_every_key_reads(settings: Any) -> None:
    old = sealed()

    settings.FIELD_KEYS = ["newest", *settings.FIELD_KEYS]

    assert crypto.decrypt(old, row=ROW, field="secret") == SECRET
    assert not crypto.is_current(old)
    rotated = crypto.rotate(old, row=ROW, field="secret")
    assert crypto.is_current(rotated)
    assert crypto.rotate(rotated, row=ROW, field="secret") == rotated
    settings.FIELD_KEYS = ["newest"]
    assert crypto.decrypt(rotated, row=ROW, field="secret") == SECRET


def test_without_keys_nothing_is_stored(settings: Any) -> None:
    settings.FIELD_KEYS = []

    with pytest.raises(crypto.UnreadableSecret, match="FIELD_KEYS"):
        sealed()


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_moves_every_secret_to_the_first_key(connect: Any, settings: Any) -> None:
    made = [connect(f"C{number}", secret=f"secret-number-{number}") for number in range(3)]
    connect("Local", dialect="simulated", secret="")
    settings.FIELD_KEYS = ["newest", *settings.FIELD_KEYS]

    assert "3 encrypted anew" in rotate()
    assert "0 encrypted anew" in rotate()

    settings.FIELD_KEYS = ["newest"]
    stored = [Connection.objects.get(pk=one.pk) for one in made]
    assert [crypto.decrypt(one.secret, row=one.pk, field="secret") for one in stored] == [
        f"secret-number-{number}" for number in range(3)
    ]


def test_the_command_goes_on_after_an_unreadable_secret_and_fails(connect: Any, settings: Any) -> None:
    lost, kept = connect("Lost"), connect("Kept")
    Connection.objects.filter(pk=lost.pk).update(secret="v1.000000000000.AAAA")
    settings.FIELD_KEYS = ["newest", *settings.FIELD_KEYS]

    with pytest.raises(CommandError, match="old keys"):
        rotate()

    kept.refresh_from_db()
    assert crypto.is_current(kept.secret)


def test_the_command_keeps_a_secret_that_changed_meanwhile(
    connect: Any, settings: Any, monkeypatch: Any
) -> None:
    row = connect()
    settings.FIELD_KEYS = ["newest", *settings.FIELD_KEYS]
    fresh = crypto.encrypt("entered meanwhile", row=row.pk, field="secret")

    def change_first(*args: Any, **kwargs: Any) -> str:
        Connection.objects.filter(pk=row.pk).update(secret=fresh)
        return "v1.stale.AAAA"

    monkeypatch.setattr(rotate_keys.crypto, "rotate", change_first)
    rotate()

    row.refresh_from_db()
    assert row.secret == fresh


def test_the_database_holds_no_plain_secret(connect: Any) -> None:
    connect(secret=SECRET)

    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM agents_connection")
        rows = repr(cursor.fetchall())

    assert SECRET not in rows
    assert "abcdefgh" not in rows
