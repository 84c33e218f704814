"""What a person changes about themselves."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from PIL import Image

from apps.accounts import actions
from apps.accounts.models import ApiKey, Team, Theme, User
from apps.portal.devices import device_of
from tests.portal.markup import Page

PROFILE = {
    "display_name": "Olga O.",
    "email": "olga@example.com",
    "language": "zh-hans",
    "time_zone": "Asia/Shanghai",
    "theme": "dark",
}
NEW_PASSWORD = "a longer secret 42"


def test_a_profile_is_saved_and_the_next_page_follows_it(browse: Any, owner: User) -> None:
    browser = browse(owner)

    answer = browser.post("/settings/", PROFILE, follow=True)

    owner.refresh_from_db()
    assert {name: getattr(owner, name) for name in PROFILE} == PROFILE
    assert 'lang="zh-hans"' in answer.content.decode()
    assert f'data-theme="{Theme.DARK}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "no address"), ("time_zone", "Mars/Olympus"), ("language", "tlh"), ("display_name", "x" * 81)],
)
def test_a_profile_with_a_wrong_value_is_shown_again_with_the_reason(
    field: str, value: str, browse: Any, owner: User
) -> None:
    answer = browse(owner).post("/settings/", PROFILE | {field: value})

    owner.refresh_from_db()
    assert answer.status_code == 422
    assert f'id="id_{field}_errors"' in answer.content.decode()
    assert getattr(owner, field) != value


def test_an_address_of_somebody_else_is_refused_at_its_field(browse: Any, owner: User, editor: User) -> None:
    answer = browse(owner).post("/settings/", PROFILE | {"email": editor.email.upper()})

    assert answer.status_code == 422
    assert 'id="id_email_errors"' in answer.content.decode()


def test_the_person_s_own_zone_is_chosen_in_the_list(browse: Any, owner: User) -> None:
    owner.time_zone = "America/Argentina/Buenos_Aires"
    owner.save()

    page = Page(browse(owner).get("/settings/").content.decode())

    zones = [tag.attributes for tag in page.find("option") if "/" in (tag.attributes["value"] or "")]
    assert [zone["value"] for zone in zones if "selected" in zone] == ["America/Argentina/Buenos_Aires"]
    assert len(zones) > 300


@pytest.mark.parametrize(
    ("tab", "url"),
    [("ai", "/connections/"), ("security", "/settings/security/"), ("keys", "/settings/keys/")],
)
def test_deep_links_to_tabs_lead_to_their_pages(tab: str, url: str, browse: Any, owner: User) -> None:
    assert browse(owner).get(f"/settings/?tab={tab}").headers["Location"] == url


def test_a_picture_is_taken_and_removed(browse: Any, owner: User) -> None:
    browser = browse(owner)

    browser.post("/settings/avatar/", {"picture": _picture()})
    owner.refresh_from_db()
    name = owner.avatar.name
    page = browser.get("/settings/").content.decode()
    browser.post("/settings/avatar/", {"remove": "1"})

    owner.refresh_from_db()
    assert name.endswith(".webp")
    assert f"/avatars/{owner.pk}/" in page
    assert not owner.avatar


def test_what_is_no_picture_is_refused_with_a_notice(browse: Any, owner: User) -> None:
    upload = io.BytesIO(b"<svg onload=alert(1)>")
    upload.name = "x.png"

    answer = browse(owner).post("/settings/avatar/", {"picture": upload}, follow=True)

    owner.refresh_from_db()
    assert not owner.avatar
    assert "toast is-error" in answer.content.decode()


def test_a_new_password_ends_all_other_sessions(owner: User) -> None:
    here, there = _logged_in(owner), _logged_in(owner)

    answer = here.post("/settings/security/", _change("correct horse"))

    assert answer.status_code == 302
    assert here.get("/settings/").status_code == 200
    assert there.get("/settings/").status_code == 302
    owner.refresh_from_db()
    assert owner.check_password(NEW_PASSWORD)


def test_a_wrong_old_password_changes_nothing(browse: Any, owner: User) -> None:
    answer = browse(owner).post("/settings/security/", _change("wrong"))

    owner.refresh_from_db()
    assert answer.status_code == 422
    assert owner.check_password("correct horse")


def test_who_came_by_a_link_sets_a_first_password(browse: Any, owner: User) -> None:
    owner.set_unusable_password()
    owner.save()
    browser = browse(owner)

    asks_for_old = "old_password" in browser.get("/settings/security/").content.decode()
    browser.post("/settings/security/", {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD})

    owner.refresh_from_db()
    assert not asks_for_old
    assert owner.check_password(NEW_PASSWORD)


def test_a_session_is_ended_from_another_one(owner: User) -> None:
    here, there = _logged_in(owner), _logged_in(owner)
    other = UserSession.objects.get(session_key=there.session.session_key)

    here.post("/settings/security/sessions/end/", {"session": other.pk})

    assert there.get("/settings/").status_code == 302
    assert here.get("/settings/").status_code == 200


def test_all_other_sessions_are_ended_at_once(owner: User) -> None:
    here, there, elsewhere = _logged_in(owner), _logged_in(owner), _logged_in(owner)

    here.post("/settings/security/sessions/end/", {"others": "1"})

    assert [browser.get("/settings/").status_code for browser in (here, there, elsewhere)] == [200, 302, 302]


def test_nobody_ends_a_session_of_somebody_else(owner: User, editor: User) -> None:
    mine, theirs = _logged_in(owner), _logged_in(editor)
    session = UserSession.objects.get(session_key=theirs.session.session_key)

    answer = mine.post("/settings/security/sessions/end/", {"session": session.pk})

    assert answer.status_code == 404
    assert theirs.get("/settings/").status_code == 200


def test_a_key_is_shown_once_and_works_as_it_says(browse: Any, owner: User, team: Team) -> None:
    browser = browse(owner)

    made = browser.post("/settings/keys/", {"name": "CI", "days": "30", "scopes": ["read", "run"]})

    key = ApiKey.objects.get(user=owner)
    assert f"ork_{key.prefix}_" in made.content.decode()
    assert "no-store" in made.headers["Cache-Control"]
    later = browser.get("/settings/keys/").content.decode()
    secret = made.content.decode().split(f"ork_{key.prefix}_")[1].split("<")[0]
    assert secret not in later
    assert (key.team, key.scopes) == (team, ["read", "run"])
    assert round((key.expires_at - key.created_at) / timedelta(days=1)) == 30


@pytest.mark.parametrize("data", [{"name": ""}, {"scopes": []}, {"scopes": ["everything"]}, {"days": "9999"}])
def test_a_key_that_makes_no_sense_is_not_made(data: dict[str, Any], browse: Any, owner: User) -> None:
    answer = browse(owner).post("/settings/keys/", {"name": "CI", "days": "30", "scopes": ["read"]} | data)

    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_by_its_owner_alone(browse: Any, owner: User, editor: User, team: Team) -> None:
    key, _text = actions.create_api_key(user=editor, team=team, name="mine", scopes=["read"])

    by_stranger = browse(owner).post(f"/settings/keys/{key.pk}/revoke/")
    key.refresh_from_db()
    was_revoked = key.revoked_at
    browse(editor).post(f"/settings/keys/{key.pk}/revoke/")

    key.refresh_from_db()
    assert by_stranger.status_code == 404
    assert was_revoked is None
    assert key.revoked_at is not None


@pytest.mark.parametrize(
    ("agent", "name", "icon"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux", "device"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) AppleWebKit/605 CriOS/150 Safari/604", "Chrome · iPhone", "phone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/150 Safari/537 Edg/150", "Edge · Windows", "device"),
        ("", "Unknown device", "device"),
    ],
)  # fmt: skip
def test_a_browser_is_known_by_what_it_says(agent: str, name: str, icon: str) -> None:
    device = device_of(agent)

    assert (device.name, device.icon) == (name, icon)


def _logged_in(user: User) -> Client:
    """Return a browser that has gone through the login page, as sessions are recorded there."""
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": user.username, "password": "correct horse"})
    assert answer.status_code == 302, answer.content
    return browser


def _change(old: str) -> dict[str, str]:
    return {"old_password": old, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}


def _picture() -> io.BytesIO:
    written = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(written, "PNG")
    written.seek(0)
    written.name = "me.png"
    return written
