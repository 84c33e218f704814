"""API keys: bound to a person, a team and scopes; hashed, expiring, revocable."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.keys import find_key
from apps.accounts.models import ApiKey, Membership, Role, Team, User
from apps.accounts.scopes import Scope, expand
from orchestra.errors import InvalidInput, NotPermitted

ME = "/api/v1/me"
TOKENS = "/api/v1/tokens"


def signed(api: APIClient, text: str) -> APIClient:
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return api


def test_a_key_opens_the_api_in_its_team_only(
    api: APIClient, editor: User, make_key: Any, team: Team
) -> None:
    other = Team.objects.create(name="Others", slug="others")
    Membership.objects.create(user=editor, team=other, role=Role.OWNER)
    _key, text = make_key(editor, "read")

    me = signed(api, text).get(ME).json()

    assert [one["slug"] for one in me["teams"]] == ["writers"]
    assert me["scopes"] == ["read"]
    assert api.get(f"/api/v1/teams/{other.pk}").status_code == 404


def test_a_key_is_stored_as_a_hash(editor: User, make_key: Any) -> None:
    key, text = make_key(editor, "read")

    secret = text.rsplit("_", 1)[1]
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert text.startswith(f"ork_{key.prefix}_")
    assert secret not in str(row)
    assert len(key.key_hash) == 64


def test_the_text_of_a_key_is_shown_once(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")

    made = api.post(TOKENS, {"name": "ci", "scopes": ["read"]}, format="json")

    assert made.status_code == 201
    text = made.json()["key"]
    assert find_key(text) is not None
    read = api.get(f"{TOKENS}/{made.json()['id']}")
    assert "key" not in read.json()
    assert text.rsplit("_", 1)[1] not in read.content.decode() + api.get(TOKENS).content.decode()


def test_repeating_the_making_of_a_key_does_not_show_it_again(
    api: APIClient, editor: User, log_in: Any
) -> None:
    log_in("ada")
    body = {"name": "ci", "scopes": ["read"]}
    first = api.post(TOKENS, body, format="json", HTTP_IDEMPOTENCY_KEY="one")

    again = api.post(TOKENS, body, format="json", HTTP_IDEMPOTENCY_KEY="one")

    assert (first.status_code, again.status_code) == (201, 409)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("part", ["prefix", "secret", "mark", "tail", "case"])
def test_a_key_that_differs_anywhere_is_refused(editor: User, make_key: Any, part: str) -> None:
    _key, text = make_key(editor, "read")
    prefix, secret = text[4:16], text[17:]
    wrong = {
        "prefix": f"ork_{'0' * 12}_{secret}",
        "secret": f"ork_{prefix}_{'A' * 43}",
        "mark": text.replace("ork_", "key_"),
        "tail": text + "x",
        "case": f"ork_{prefix}_{secret.swapcase()}",
    }

    assert find_key(wrong[part]) is None
    assert find_key(text) is not None


def test_a_revoked_key_is_refused_at_once(api: APIClient, editor: User, make_key: Any, log_in: Any) -> None:
    key, text = make_key(editor, "read")
    log_in("ada")

    answer = api.delete(f"{TOKENS}/{key.pk}")

    assert answer.status_code == 204
    assert signed(api, text).get(ME).status_code == 401


def test_an_expired_key_is_refused(api: APIClient, editor: User, make_key: Any) -> None:
    key, text = make_key(editor, "read", expires_at=timezone.now() + timedelta(days=1))

    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())

    assert signed(api, text).get(ME).status_code == 401


def test_a_key_of_somebody_who_left_the_team_is_refused(api: APIClient, editor: User, make_key: Any) -> None:
    _key, text = make_key(editor, "read")

    Membership.objects.filter(user=editor).delete()

    assert signed(api, text).get(ME).status_code == 401


def test_a_key_of_somebody_who_is_switched_off_is_refused(
    api: APIClient, editor: User, make_key: Any
) -> None:
    _key, text = make_key(editor, "read")

    User.objects.filter(pk=editor.pk).update(is_active=False)

    assert signed(api, text).get(ME).status_code == 401


def test_the_last_use_is_noted_at_most_once_a_minute(
    api: APIClient, editor: User, make_key: Any, django_assert_num_queries: Any
) -> None:
    key, text = make_key(editor, "read")
    signed(api, text).get(ME)
    first = ApiKey.objects.get(pk=key.pk).last_used_at

    api.get(ME)

    assert first is not None
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    long_ago = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=long_ago)
    api.get(ME)
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first


@pytest.mark.parametrize(
    ("held", "granted"),
    [
        ("read", {"read"}),
        ("run", {"read", "run"}),
        ("write", {"read", "write"}),
        ("admin", {"read", "run", "write", "admin"}),
        ("nonsense", set()),
    ],
)
def test_scopes_include_others(held: str, granted: set[str]) -> None:
    assert expand([held]) == {Scope(one) for one in granted}


@pytest.mark.parametrize("scope", ["read", "run", "write"])
def test_only_an_admin_key_changes_the_account(
    api: APIClient, owner: User, make_key: Any, scope: str
) -> None:
    _key, text = make_key(owner, scope)
    signed(api, text)

    answers = [
        api.patch(ME, {"email": "thief@example.org"}, format="json"),
        api.post(TOKENS, {"name": "more", "scopes": [scope]}, format="json"),
        api.post("/api/v1/teams", {"name": "Mine"}, format="json"),
        api.delete("/api/v1/me/sessions"),
        api.delete("/api/v1/me/avatar"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    owner.refresh_from_db()
    assert owner.email == "olga@example.org"


def test_a_key_makes_no_key_that_can_do_more(api: APIClient, owner: User, make_key: Any, team: Team) -> None:
    parent, text = make_key(owner, "admin", expires_at=timezone.now() + timedelta(days=1))

    made = signed(api, text).post(TOKENS, {"name": "child", "scopes": ["read"]}, format="json").json()

    child = ApiKey.objects.get(pk=made["id"])
    assert child.expires_at == parent.expires_at
    assert child.team_id == team.pk


def test_a_key_makes_no_key_with_more_scopes(owner: User, make_key: Any) -> None:
    parent, _text = make_key(owner, "run")

    with pytest.raises(NotPermitted):
        make_key(owner, "write", made_with=parent)


def test_a_key_makes_no_key_for_another_team(owner: User, make_key: Any) -> None:
    other = Team.objects.create(name="Others", slug="others")
    Membership.objects.create(user=owner, team=other, role=Role.OWNER)
    parent, _text = make_key(owner, "admin")

    with pytest.raises(NotPermitted):
        make_key(owner, "read", team=other, made_with=parent)


def test_a_key_needs_known_scopes_and_a_time_to_come(editor: User, make_key: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_key(editor, "fly", expires_at=timezone.now())

    assert [problem.path for problem in caught.value.problems] == ["scopes", "expires_at"]


def test_nobody_makes_a_key_for_a_team_of_others(make_user: Any, make_key: Any) -> None:
    stranger = make_user("sam")

    with pytest.raises(NotPermitted):
        make_key(stranger, "read")


def test_owners_see_and_revoke_the_keys_of_their_team(
    api: APIClient, owner: User, editor: User, make_key: Any, log_in: Any
) -> None:
    key, _text = make_key(editor, "read")
    log_in("olga")

    listed = api.get(TOKENS).json()["results"]
    answer = api.delete(f"{TOKENS}/{key.pk}")

    assert [one["owner"] for one in listed] == ["ada"]
    assert answer.status_code == 204
    assert ApiKey.objects.get(pk=key.pk).revoked_at is not None


def test_keys_of_others_are_not_found(
    api: APIClient, owner: User, editor: User, make_key: Any, log_in: Any
) -> None:
    key, _text = make_key(owner, "read")
    log_in("ada")

    assert api.get(f"{TOKENS}/{key.pk}").status_code == 404
    assert api.delete(f"{TOKENS}/{key.pk}").status_code == 404
    assert api.get(TOKENS).json()["results"] == []
