"""The commands `createtoken` and `loginlink`, as people type them."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.keys import find_key
from apps.accounts.models import ApiKey, User


def run(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_createtoken_prints_a_key_that_works(editor: User) -> None:
    out, err = run("createtoken", "ada", "--scope", "read", "--scope", "run", "--days", "30")

    key = find_key(out.strip())
    assert key is not None
    assert key.user == editor
    assert key.scopes == ["read", "run"]
    assert key.expires_at is not None
    assert out.strip() not in err


def test_createtoken_speaks_json(editor: User) -> None:
    out, _err = run("createtoken", "ADA@example.org", "--scope", "admin", "--json", "--name", "ci")

    said = json.loads(out)
    assert find_key(said["key"]) is not None
    assert (said["team"], said["scopes"], said["expires_at"]) == ("writers", ["admin"], None)
    assert ApiKey.objects.get().name == "ci"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nobody", "--scope", "read"], "no active person"),
        (["ada"], "--scope"),
        (["ada", "--scope", "fly"], "invalid choice"),
        (["ada", "--scope", "read", "--team", "others"], "not in the team"),
        (["ada", "--scope", "read", "--days", "0"], "--days"),
    ],
)
def test_createtoken_says_what_is_wrong(editor: User, words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("createtoken", *words)

    assert ApiKey.objects.count() == 0


def test_createtoken_needs_a_member(make_user: Any) -> None:
    make_user("sam")

    with pytest.raises(CommandError, match="not in any team"):
        run("createtoken", "sam", "--scope", "read")


def test_loginlink_prints_a_link_that_logs_in(editor: User, client: Client) -> None:
    out, _err = run("loginlink", "ada", "--base", "https://orchestra.example.org/")

    assert out.startswith("https://orchestra.example.org/login/")
    client.post(out.strip().removeprefix("https://orchestra.example.org"))
    assert client.session["_auth_user_id"] == str(editor.pk)


def test_loginlink_makes_the_first_operator(db: None) -> None:
    said = json.loads(run("loginlink", "--json")[0])

    operator = User.objects.get()
    assert (said["user"], operator.is_superuser) == (operator.username, True)


@pytest.mark.parametrize(
    ("words", "complaint"), [(["nobody"], "no active person"), (["ada", "--minutes", "0"], "--minutes")]
)
def test_loginlink_says_what_is_wrong(editor: User, words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("loginlink", *words)


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ('{"pid": 1, "url": "http://127.0.0.1:8399/"}', "http://127.0.0.1:8399"),
        ("", "http://localhost:8000"),
        (None, "http://localhost:8000"),
    ],
)
def test_loginlink_leads_to_where_the_product_is_served(
    editor: User, tmp_path: Path, settings: Any, written: str | None, base: str
) -> None:
    settings.VAR_DIR = tmp_path
    if written is not None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "orchestra.lock").write_text(written)

    out, _err = run("loginlink", "ada")

    assert out.startswith(f"{base}/login/")
