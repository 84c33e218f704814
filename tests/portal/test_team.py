"""The team page: who sees what, who may change what."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from apps.accounts.models import Invitation, Membership, Role, Team, User


def test_an_owner_invites_by_a_link_that_works(browse: Any, owner: User, team: Team) -> None:
    answer = browse(owner).post("/team/invite/", {"email": "", "role": "operator"})

    page = answer.content.decode()
    path = "/join/" + page.split("/join/")[1].split("<")[0]
    joining = browse().get(path)
    assert joining.status_code == 200
    assert team.name in joining.content.decode()
    assert Invitation.objects.get(team=team).role == Role.OPERATOR


@pytest.mark.parametrize(("language", "words"), [("en", "Join"), ("zh-hans", "加入")])
def test_an_invitation_with_an_address_is_mailed_as_text_and_as_html(
    browse: Any, owner: User, team: Team, language: str, words: str
) -> None:
    answer = browse(owner, language).post("/team/invite/", {"email": "new@example.org", "role": "viewer"})

    [letter] = mail.outbox
    page = answer.content.decode()
    link = "http://testserver/join/" + page.split("/join/")[1].split("<")[0]
    assert letter.to == ["new@example.org"]
    assert f"{words} {team.name}" in letter.subject
    [(html, kind)] = letter.alternatives
    assert kind == "text/html"
    assert link in letter.body
    assert f'href="{link}"' in html
    assert words in html
    assert browse().get(link.removeprefix("http://testserver")).status_code == 200
    assert "new@example.org" in page.split("alert is-success")[1].split("/join/")[0]


@pytest.mark.parametrize("backend", ["console", "dummy"])
def test_mail_that_reaches_nobody_is_not_called_sent(
    browse: Any, owner: User, settings: Any, backend: str
) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"

    answer = browse(owner).post("/team/invite/", {"email": "new@example.org", "role": "viewer"})

    assert "Send this link" in answer.content.decode()


def test_an_invitation_stands_when_the_mail_server_is_away(browse: Any, owner: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    answer = browse(owner).post("/team/invite/", {"email": "new@example.org", "role": "viewer"})

    assert "Send this link" in answer.content.decode()
    assert Invitation.objects.filter(email="new@example.org").exists()


def test_an_invitation_is_withdrawn(browse: Any, owner: User, invitation: Invitation) -> None:
    browse(owner).post(f"/team/invitations/{invitation.pk}/withdraw/")

    assert not Invitation.objects.exists()


def test_an_owner_changes_a_role(browse: Any, owner: User, viewer: User) -> None:
    browse(owner).post(f"/team/members/{viewer.pk}/role/", {"role": "editor"})

    assert viewer.memberships.get().role == Role.EDITOR


def test_the_last_owner_stays_owner(browse: Any, owner: User) -> None:
    answer = browse(owner).post(f"/team/members/{owner.pk}/role/", {"role": "viewer"}, follow=True)

    assert owner.memberships.get().role == Role.OWNER
    assert "toast is-error" in answer.content.decode()


def test_a_member_is_removed(browse: Any, owner: User, viewer: User) -> None:
    browse(owner).post(f"/team/members/{viewer.pk}/remove/")

    assert not viewer.memberships.exists()


def test_a_member_leaves_and_is_shown_what_to_do_without_a_team(browse: Any, viewer: User) -> None:
    answer = browse(viewer).post(f"/team/members/{viewer.pk}/remove/", follow=True)

    assert not viewer.memberships.exists()
    assert answer.status_code == 200
    assert "/team/new/" in answer.content.decode()


def test_a_team_is_made_and_becomes_the_active_one(browse: Any, viewer: User) -> None:
    browser = browse(viewer)

    answer = browser.post("/team/new/", {"name": "Night shift"}, follow=True)

    assert "Night shift" in answer.content.decode().split("<h1>")[1].split("</h1>")[0]
    assert viewer.memberships.get(team__name="Night shift").role == Role.OWNER


def test_a_team_gets_another_name(browse: Any, owner: User, team: Team) -> None:
    browse(owner).post("/team/rename/", {"name": "Authors"})

    team.refresh_from_db()
    assert team.name == "Authors"


@pytest.mark.parametrize("path", ["/team/invite/", "/team/rename/"])
def test_an_empty_form_is_shown_again_with_the_reason(path: str, browse: Any, owner: User) -> None:
    answer = browse(owner).post(path, {})

    assert answer.status_code == 422
    assert "field-errors" in answer.content.decode()


def test_a_viewer_sees_the_members_and_no_forms(
    browse: Any, viewer: User, owner: User, invitation: Any
) -> None:
    page = browse(viewer).get("/team/").content.decode()

    assert owner.name in page
    assert invitation.email not in page
    assert "/team/invite/" not in page
    assert f"/team/members/{owner.pk}/" not in page


@pytest.mark.parametrize("path", ["/team/invite/", "/team/rename/", "role", "remove", "withdraw"])
def test_a_viewer_changes_nothing(path: str, browse: Any, viewer: User, owner: User, invitation: Any) -> None:
    paths = {
        "role": f"/team/members/{viewer.pk}/role/",
        "remove": f"/team/members/{owner.pk}/remove/",
        "withdraw": f"/team/invitations/{invitation.pk}/withdraw/",
    }

    answer = browse(viewer).post(
        paths.get(path, path), {"role": "owner", "name": "Mine", "email": ""}, follow=True
    )

    assert answer.status_code == 403 or "toast is-error" in answer.content.decode()
    assert viewer.memberships.get().role == Role.VIEWER
    assert owner.memberships.get().role == Role.OWNER
    assert list(Invitation.objects.all()) == [invitation]
    assert Team.objects.get().name == "Writers"


def test_members_of_other_teams_are_out_of_reach(browse: Any, owner: User, make_user: Any) -> None:
    others = Team.objects.create(name="Others", slug="others")
    stranger = make_user("stranger", others, Role.VIEWER)

    answer = browse(owner).post(f"/team/members/{stranger.pk}/role/", {"role": "owner"})

    assert answer.status_code == 404
    assert Membership.objects.get(user=stranger).role == Role.VIEWER
