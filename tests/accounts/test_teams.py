"""Teams over the API: members, roles, invitations, and what a stranger sees of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.http import Http404
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import actions
from apps.accounts.actions.teams import InvitationOver
from apps.accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from apps.accounts.rights import as_operator, require
from apps.accounts.teams import NoTeam, active_team, team_of
from orchestra.errors import NotPermitted

TEAMS = "/api/v1/teams"
STRONG = "battery staple 9"


def test_making_a_team_makes_its_owner(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")

    made = api.post(TEAMS, {"name": "写作组"}, format="json")

    assert made.status_code == 201
    assert made.json()["role"] == "owner"
    assert made.json()["slug"] == "team"
    assert {one["name"] for one in api.get(TEAMS).json()["results"]} == {"Writers", "写作组"}


def test_two_teams_may_have_one_name(editor: User) -> None:
    first, second = (actions.create_team(name="Ops", by=editor) for _ in range(2))

    assert first.slug == "ops"
    assert second.slug.startswith("ops-")


def test_another_team_is_not_found(api: APIClient, editor: User, make_user: Any, log_in: Any) -> None:
    other = Team.objects.create(name="Others", slug="others")
    stranger = make_user("sam", other, Role.OWNER)
    invitation, _path = actions.invite(team=other, role="viewer", by=stranger)
    log_in("ada")

    paths = [
        ("get", f"{TEAMS}/{other.pk}"),
        ("patch", f"{TEAMS}/{other.pk}"),
        ("get", f"{TEAMS}/{other.pk}/members"),
        ("patch", f"{TEAMS}/{other.pk}/members/{stranger.pk}"),
        ("delete", f"{TEAMS}/{other.pk}/members/{stranger.pk}"),
        ("get", f"{TEAMS}/{other.pk}/invitations"),
        ("post", f"{TEAMS}/{other.pk}/invitations"),
        ("delete", f"{TEAMS}/{other.pk}/invitations/{invitation.pk}"),
    ]

    statuses = {path: getattr(api, method)(path, {}, format="json").status_code for method, path in paths}

    assert set(statuses.values()) == {404}
    assert Invitation.objects.count() == 1


def test_members_see_each_other_without_addresses(
    api: APIClient, editor: User, viewer: User, team: Team, log_in: Any
) -> None:
    log_in("vera")

    answer = api.get(f"{TEAMS}/{team.pk}/members")

    assert {row["username"]: row["role"] for row in answer.json()["results"]} == {
        "ada": "editor",
        "vera": "viewer",
    }
    assert "example.org" not in answer.content.decode()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.EDITOR])
def test_only_owners_run_a_team(
    api: APIClient, make_user: Any, owner: User, team: Team, log_in: Any, role: Role
) -> None:
    make_user("mia", team, role)
    log_in("mia")

    answers = [
        api.patch(f"{TEAMS}/{team.pk}", {"name": "Mine"}, format="json"),
        api.patch(f"{TEAMS}/{team.pk}/members/{owner.pk}", {"role": "viewer"}, format="json"),
        api.delete(f"{TEAMS}/{team.pk}/members/{owner.pk}"),
        api.get(f"{TEAMS}/{team.pk}/invitations"),
        api.post(f"{TEAMS}/{team.pk}/invitations", {"role": "owner"}, format="json"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert Membership.objects.get(user=owner).role == Role.OWNER


def test_an_owner_changes_roles(api: APIClient, owner: User, viewer: User, team: Team, log_in: Any) -> None:
    log_in("olga")

    answer = api.patch(f"{TEAMS}/{team.pk}/members/{viewer.pk}", {"role": "editor"}, format="json")

    assert answer.json()["role"] == "editor"
    assert Membership.objects.get(user=viewer).role == Role.EDITOR


def test_nobody_raises_their_own_role(api: APIClient, editor: User, team: Team, log_in: Any) -> None:
    log_in("ada")

    answer = api.patch(f"{TEAMS}/{team.pk}/members/{editor.pk}", {"role": "owner"}, format="json")

    assert answer.status_code == 403


def test_a_team_keeps_its_last_owner(api: APIClient, owner: User, team: Team, log_in: Any) -> None:
    log_in("olga")
    me = f"{TEAMS}/{team.pk}/members/{owner.pk}"

    answers = [api.patch(me, {"role": "viewer"}, format="json"), api.delete(me)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert [answer.json()["code"] for answer in answers] == ["last_owner"] * 2


def test_everybody_may_leave_and_their_keys_end(
    api: APIClient, editor: User, owner: User, team: Team, make_key: Any, log_in: Any
) -> None:
    key, _text = make_key(editor, "read")
    log_in("ada")

    answer = api.delete(f"{TEAMS}/{team.pk}/members/{editor.pk}")

    assert answer.status_code == 204
    assert ApiKey.objects.get(pk=key.pk).revoked_at is not None
    assert api.get(f"{TEAMS}/{team.pk}").status_code == 404


def invited(api: APIClient, team: Team, log_in: Any, **body: Any) -> str:
    log_in("olga")
    made = api.post(f"{TEAMS}/{team.pk}/invitations", {"role": "editor", **body}, format="json")
    assert made.status_code == 201, made.content
    api.credentials()
    url: str = made.json()["url"]
    return url[url.index("/join/") :]


def test_an_invitation_is_shown_once_and_stored_as_a_hash(
    api: APIClient, owner: User, team: Team, log_in: Any
) -> None:
    token = invited(api, team, log_in).split("/")[-2]

    log_in("olga")
    listed = api.get(f"{TEAMS}/{team.pk}/invitations")

    assert len(listed.json()["results"]) == 1
    assert token not in listed.content.decode()
    assert token not in str(Invitation.objects.values().get())


def test_an_invitation_says_whether_its_link_was_mailed(
    api: APIClient, owner: User, team: Team, log_in: Any
) -> None:
    log_in("olga")
    bodies = [
        api.post(f"{TEAMS}/{team.pk}/invitations", {"role": "viewer", "email": email}, format="json").json()
        for email in ("", "new@example.org")
    ]

    assert [body["is_mailed"] for body in bodies] == [False, True]
    assert bodies[1]["url"] in str(mail.outbox[0].body)


def test_an_invited_stranger_signs_up_and_is_in_the_team(
    api: APIClient, client: Client, owner: User, team: Team, log_in: Any
) -> None:
    path = invited(api, team, log_in, email="new@example.org")
    closed = client.get("/accounts/signup/")

    page = client.get(path)
    to_signup = client.post(path)
    form = {
        "username": "nora",
        "email": "new@example.org",
        **dict.fromkeys(("password1", "password2"), STRONG),
    }
    signed_up = client.post(to_signup["Location"], form)

    assert b"password1" not in closed.content
    assert page.status_code == 200
    assert signed_up.status_code == 302
    nora = User.objects.get(username="nora")
    assert nora.role_in(team.pk) == Role.EDITOR
    assert Team.objects.count() == 1
    assert Invitation.objects.get().accepted_at is not None
    assert Client().get(path).status_code == 410


def test_a_stranger_without_an_invitation_cannot_sign_up(client: Client, db: None) -> None:
    form = {
        "username": "eve",
        "email": "eve@example.org",
        **dict.fromkeys(("password1", "password2"), STRONG),
    }

    client.post("/accounts/signup/", form)

    assert not User.objects.filter(username="eve").exists()
    assert b"password1" not in client.get("/accounts/signup/").content


def test_an_open_installation_gives_every_new_person_a_team(client: Client, db: None, settings: Any) -> None:
    settings.ORCHESTRA_OPEN_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = True, "mandatory"
    form = {
        "username": "eve",
        "email": "eve@example.org",
        **dict.fromkeys(("password1", "password2"), STRONG),
    }

    client.post("/accounts/signup/", form)

    eve = User.objects.get(username="eve")
    assert [membership.role for membership in eve.memberships.all()] == [Role.OWNER]
    assert not eve.is_staff


def test_somebody_with_an_account_joins_by_the_button(
    api: APIClient, client: Client, owner: User, team: Team, make_user: Any, log_in: Any
) -> None:
    path = invited(api, team, log_in)
    sam = make_user("sam")
    client.force_login(sam)

    client.get(path)
    assert not Membership.objects.filter(user=sam).exists(), "looking is not joining"
    client.post(path)

    assert Membership.objects.get(user=sam).role == Role.EDITOR
    assert client.session["team"] == "writers"


def test_an_invitation_works_once(owner: User, team: Team, make_user: Any) -> None:
    _invitation, path = actions.invite(team=team, role="viewer", by=owner)
    token = path.split("/")[-2]
    actions.accept_invitation(token=token, by=make_user("sam"))

    with pytest.raises(InvitationOver):
        actions.accept_invitation(token=token, by=make_user("tom"))


def test_a_member_does_not_use_an_invitation_up(
    api: APIClient, owner: User, viewer: User, team: Team, log_in: Any
) -> None:
    token = invited(api, team, log_in).split("/")[-2]
    log_in("vera")

    answer = api.post("/api/v1/invitations/accept", {"token": token}, format="json")

    assert answer.status_code == 409
    assert Invitation.objects.get().accepted_at is None
    assert Membership.objects.get(user=viewer).role == Role.VIEWER


def test_withdrawn_and_old_invitations_are_over(
    api: APIClient, owner: User, make_user: Any, team: Team, log_in: Any
) -> None:
    withdrawn, old = (actions.invite(team=team, role="viewer", by=owner) for _ in range(2))
    make_user("sam")
    log_in("olga")
    api.delete(f"{TEAMS}/{team.pk}/invitations/{withdrawn[0].pk}")
    Invitation.objects.filter(pk=old[0].pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    log_in("sam")

    answers = [
        api.post("/api/v1/invitations/accept", {"token": path.split("/")[-2]}, format="json")
        for _invitation, path in (withdrawn, old)
    ]

    assert [answer.json()["code"] for answer in answers] == ["invitation_over"] * 2
    assert [answer.status_code for answer in answers] == [409, 409]


def request_of(user: User, path: str = "/", **headers: str) -> Any:
    request = RequestFactory().get(path, headers=headers or None)
    request.user = user
    return request


def test_the_active_team_is_the_first_one_joined(editor: User, team: Team) -> None:
    actions.create_team(name="Later", by=editor)

    assert active_team(request_of(editor)) == team


def test_the_active_team_can_be_named(editor: User, team: Team) -> None:
    later = actions.create_team(name="Later", by=editor)

    assert active_team(request_of(editor, "/?team=later")) == later
    assert active_team(request_of(editor, **{"X-Team": "later"})) == later


def test_a_named_team_of_others_is_not_found(editor: User, team: Team) -> None:
    Team.objects.create(name="Others", slug="others")

    for slug in ("others", "no-such-team"):
        with pytest.raises(Http404):
            active_team(request_of(editor, f"/?team={slug}"))


def test_somebody_without_a_team_is_told_so(make_user: Any) -> None:
    sam = make_user("sam")

    assert team_of(request_of(sam)) is None
    with pytest.raises(NoTeam):
        active_team(request_of(sam))


def test_a_superuser_has_no_rights_in_teams_outside_the_admin(make_user: Any, team: Team) -> None:
    root = make_user("root", is_superuser=True, is_staff=True)

    with pytest.raises(NotPermitted):
        require(root, team.pk, Role.VIEWER)

    require(as_operator(root), team.pk, Role.OWNER)
    with pytest.raises(NotPermitted):
        require(root, team.pk, Role.VIEWER)


def test_nobody_else_works_as_an_operator(make_user: Any, team: Team) -> None:
    staff = make_user("stan", is_staff=True)

    with pytest.raises(NotPermitted):
        as_operator(staff)
