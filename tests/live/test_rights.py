"""Who may look: strangers never, others' teams never, and nobody for longer than a few seconds after the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import ApiKey, Membership, Team, User
from apps.runs.live import door as doors
from apps.runs.live.hub import hub
from tests.live.browsing import Client, cookie_of, in_thread, key_of
from tests.live.growing import Growing

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "CHECK_SECONDS", 0.02)


async def test_strangers_are_refused_with_a_problem(growing: Growing) -> None:
    async with Client(growing.path) as client:
        pass

    assert client.status == 401
    assert client.problem["code"] == "authentication_failed"
    assert client.headers["www-authenticate"].startswith("Bearer")
    assert client.headers["x-content-type-options"] == "nosniff"
    assert client.headers["x-request-id"] == client.problem["request_id"]


@pytest.mark.parametrize("name", ["token", "access_token", "key", "authorization"])
async def test_tokens_in_the_address_are_not_looked_at(
    growing: Growing, viewer: User, team: Team, name: str
) -> None:
    secret = (await in_thread(key_of)(viewer, team))["authorization"].removeprefix("Bearer ")

    async with Client(f"{growing.path}?{name}={secret}") as client:
        pass

    assert client.status == 401


@pytest.mark.parametrize("header", ["Bearer ork_no_such", "Bearer ", "Bearer a.b.c", "bearer " + "x" * 5000])
async def test_a_bad_token_is_refused_even_beside_a_good_session(
    growing: Growing, viewer: User, header: str
) -> None:
    headers = {**await in_thread(cookie_of)(viewer), "authorization": header}

    async with Client(growing.path, headers) as client:
        pass

    assert client.status == 401


async def test_a_key_without_the_scope_to_read_is_refused(growing: Growing, viewer: User, team: Team) -> None:
    headers = await in_thread(key_of)(viewer, team, "read")
    await in_thread(ApiKey.objects.update)(scopes=[])

    async with Client(growing.path, headers) as client:
        pass

    assert client.status == 403


async def test_anothers_run_is_as_if_it_were_not_there(growing: Growing, stranger: User) -> None:
    headers = await in_thread(cookie_of)(stranger)
    missing = growing.path.replace(growing.id, "01920000-0000-7000-8000-000000000000")

    async with Client(growing.path, headers) as theirs, Client(missing, headers) as nobodys:
        pass

    assert theirs.status == nobodys.status == 404
    assert theirs.problem["code"] == nobodys.problem["code"] == "not_found"


async def test_one_topic_that_is_not_mine_refuses_the_whole_stream(
    growing: Growing, stranger: User, team: Team
) -> None:
    headers = await in_thread(cookie_of)(stranger)

    for topic in (growing.topic, f"team:{team.pk}"):
        async with Client(f"/api/v1/events/stream?topics=runs,{topic}", headers) as client:
            pass
        assert client.status == 404


async def test_a_superuser_without_membership_sees_no_run(growing: Growing, make_user: Any) -> None:
    root = await in_thread(make_user)("root", None, is_superuser=True, is_staff=True)

    async with Client(growing.path, await in_thread(cookie_of)(root)) as client:
        pass

    assert client.status == 404


@pytest.mark.parametrize("end", ["logged out", "expired", "password changed", "locked"])
@pytest.mark.usefixtures("quick_checks")
async def test_a_stream_does_not_outlive_the_session(growing: Growing, viewer: User, end: str) -> None:
    def do_it() -> None:
        if end == "logged out":
            Session.objects.all().delete()
        elif end == "expired":
            Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
        elif end == "password changed":
            viewer.set_password("another one")
            viewer.save()
        else:
            User.objects.filter(pk=viewer.pk).update(is_active=False)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(do_it)()
        bye = await client.block("bye")
        await client.until_over()

    assert bye["data"]["reason"] == "signed_out"


@pytest.mark.parametrize("end", ["revoked", "expired", "left the team"])
@pytest.mark.usefixtures("quick_checks")
async def test_a_stream_does_not_outlive_the_key(
    growing: Growing, viewer: User, team: Team, end: str
) -> None:
    def do_it() -> None:
        if end == "revoked":
            ApiKey.objects.update(revoked_at=timezone.now())
        elif end == "expired":
            ApiKey.objects.update(expires_at=timezone.now())
        else:
            Membership.objects.filter(user=viewer).delete()

    async with Client(growing.path, await in_thread(key_of)(viewer, team)) as client:
        await in_thread(do_it)()
        bye = await client.block("bye")

    assert bye["data"]["reason"] == "signed_out"


@pytest.mark.usefixtures("quick_checks")
async def test_a_stream_does_not_outlive_the_access_token(growing: Growing, viewer: User) -> None:
    pair = await in_thread(tokens.issue)(viewer)

    async with Client(growing.path, {"authorization": f"Bearer {pair.access}"}) as client:
        await in_thread(tokens.end)(pair.refresh)
        bye = await client.block("bye")

    assert client.status == 200
    assert bye["data"]["reason"] == "signed_out"


@pytest.mark.usefixtures("quick_checks")
async def test_who_leaves_the_team_hears_no_more_of_it(growing: Growing, viewer: User) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(Membership.objects.filter(user=viewer).delete)()
        bye = await client.block()
        await in_thread(growing.tell)("run.started")
        await client.until_over()

    assert (bye["event"], bye["data"]["reason"]) == ("bye", "revoked")
    assert client.has_no_more()


async def test_a_change_of_the_session_that_keeps_the_person_keeps_the_stream(
    growing: Growing, viewer: User
) -> None:
    def touch() -> None:
        session = Session.objects.get()
        store = session.get_session_store_class()(session.session_key)
        store["language"] = "zh-hans"
        store.save()

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(touch)()
        await doors.door().check()
        await in_thread(growing.tell)("run.started")
        block = await client.block()

    assert block["event"] == "run.started"


@pytest.mark.usefixtures("quick_checks")
async def test_a_database_that_is_away_for_long_closes_the_streams(
    growing: Growing, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OSError("gone")

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        monkeypatch.setattr(doors, "BLIND_SECONDS", 0.1)
        monkeypatch.setattr(doors, "in_database", away)
        bye = await client.block()

    assert bye["data"]["reason"] == "unavailable"


async def test_a_person_has_a_limit_of_streams(growing: Growing, viewer: User, settings: Any) -> None:
    settings.ORCHESTRA_STREAMS_PER_USER = 2
    headers = await in_thread(cookie_of)(viewer)

    async with (
        Client(growing.path, headers),
        Client(growing.path, headers),
        Client(growing.path, headers) as third,
    ):
        pass
    async with Client(growing.path, headers) as after:
        pass

    assert third.status == 429
    assert third.problem["code"] == "limit_reached"
    assert int(third.headers["retry-after"]) > 0
    assert after.status == 200


async def test_nothing_is_left_when_everybody_has_gone(growing: Growing, viewer: User) -> None:
    headers = await in_thread(cookie_of)(viewer)

    async with Client(growing.path, headers), Client("/api/v1/events/stream", headers):
        assert set(hub().topics) == {growing.topic, f"team:{growing.run.team_id}"}
        assert len(doors.door().guests) == 2

    assert not hub().topics
    assert not hub().readers
    assert not doors.door().guests
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/events/stream?topics=agents", 400),
        ("/api/v1/events/stream?topics=run:1", 400),
        ("/api/v1/events/stream?topics=run:01920000-0000-7000-8000-000000000000@x", 400),
        (
            "/api/v1/events/stream?topics="
            + ",".join(f"run:{n:08}-0000-7000-8000-000000000000" for n in range(201)),
            400,
        ),
        ("/api/v1/events/stream?team=nobodys", 404),
        ("{run}?after=-1", 400),
        ("{run}?after=1e3", 400),
        ("{run}?after=99999999999999999999999", 400),
        ("{run}?after=²", 400),
    ],
)
async def test_what_cannot_be_understood_is_a_problem(
    growing: Growing, viewer: User, path: str, status: int
) -> None:
    async with Client(path.format(run=growing.path), await in_thread(cookie_of)(viewer)) as client:
        pass

    assert client.status == status
    assert client.problem["status"] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
async def test_a_stream_is_only_read(method: str) -> None:
    async with Client("/api/v1/events/stream", method=method) as client:
        pass

    assert client.status == 405


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html,*/*;q=0.1", ""])
async def test_the_log_as_json_is_djangos(growing: Growing, viewer: User, accept: str) -> None:
    async with Client(growing.path, {**await in_thread(cookie_of)(viewer), "accept": accept}) as client:
        pass

    assert client.status == 299


async def test_a_foreign_host_is_refused(growing: Growing, viewer: User) -> None:
    async with Client(growing.path, {**await in_thread(cookie_of)(viewer), "host": "evil.test"}) as client:
        pass

    assert client.status == 400


async def test_where_https_is_asked_for_nothing_is_streamed_in_the_clear(
    growing: Growing, viewer: User, team: Team, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    async with Client(growing.path, await in_thread(key_of)(viewer, team)) as client:
        pass

    assert client.status == 400


async def test_who_comes_in_while_the_others_are_checked_is_not_sent_away(
    growing: Growing, viewer: User, team: Team, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_go_on = asyncio.Event(), asyncio.Event()
    read = doors.in_database

    async def slow(*args: Any) -> Any:
        has_begun.set()
        await may_go_on.wait()
        return await read(*args)

    mine, theirs = await in_thread(cookie_of)(viewer), await in_thread(cookie_of)(editor)
    async with Client(growing.path, mine):
        monkeypatch.setattr(doors, "in_database", slow)
        checking = asyncio.ensure_future(doors.door().check())
        await has_begun.wait()
        async with Client(growing.path, theirs) as late:
            may_go_on.set()
            await checking
            await in_thread(growing.tell)("run.started")
            block = await late.block()

    assert block["event"] == "run.started"
