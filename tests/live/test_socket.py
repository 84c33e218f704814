"""The WebSocket: the same envelopes, and a short way out for whoever misbehaves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from apps.accounts.models import Membership, User
from apps.runs import consumers
from apps.runs.live import door as doors
from apps.runs.live.hub import hub
from apps.runs.routing import Sockets
from tests.live.browsing import cookie_of, in_thread
from tests.live.growing import Growing

pytestmark = pytest.mark.django_db(transaction=True)
Message = dict[str, Any]


class Socket(WebsocketCommunicator):  # type: ignore[misc]  # Channels has no types
    """One WebSocket of a page on this site."""

    def __init__(
        self, user: User | None = None, *, origin: str = "http://localhost", path: str = "/ws/"
    ) -> None:
        self.user = user
        self._headers = [(b"host", b"localhost"), (b"origin", origin.encode())]
        self._path = path

    async def __aenter__(self) -> Socket:
        cookies = await in_thread(cookie_of)(self.user) if self.user else {}
        headers = self._headers + [(name.encode(), value.encode()) for name, value in cookies.items()]
        super().__init__(Sockets(), self._path, headers=[(n, v) for n, v in headers if v])
        self.is_open, self.code = await self.connect(timeout=5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect(timeout=5)

    async def say(self, **message: Any) -> None:
        await self.send_json_to(message)

    async def hear(self, type_: str = "") -> Message:
        while True:
            message: Message = await self.receive_json_from(timeout=5)
            if not type_ or message["type"] == type_:
                return message

    async def closed(self) -> int:
        """Return the code with which the server closes the socket, after whatever else it says."""
        while (output := await self.receive_output(timeout=5))["type"] != "websocket.close":
            pass
        return int(output.get("code", 1000))


@pytest.mark.usefixtures("driver_name")
async def test_a_subscriber_gets_the_log_and_then_what_follows(growing: Growing, viewer: User) -> None:
    await in_thread(growing.many)(3)

    async with Socket(viewer) as socket:
        await socket.say(type="subscribe", topics=[growing.topic], after={growing.topic: 1})
        subscribed = await socket.hear()
        missed = [(await socket.hear())["seq"] for _ in range(2)]
        await in_thread(growing.tell)("run.succeeded", status="succeeded")
        last = await socket.hear()
        end = await socket.hear()

    assert subscribed == {"type": "subscribed", "topics": [growing.topic]}
    assert missed == [2, 3]
    assert (last["type"], last["seq"]) == ("run.succeeded", 4)
    assert end == {"type": "end", "run": growing.id}


@pytest.mark.usefixtures("in_process")
async def test_who_unsubscribes_hears_no_more(make_run: Any, viewer: User) -> None:
    one, other = await in_thread(make_run)(), await in_thread(make_run)()

    async with Socket(viewer) as socket:
        await socket.say(type="subscribe", topics=[one.topic, other.topic])
        await socket.hear("subscribed")
        await socket.say(type="unsubscribe", topics=[one.topic])
        await socket.hear("unsubscribed")
        await in_thread(one.tell)("run.started")
        await in_thread(other.tell)("run.started")
        told = await socket.hear()

    assert told["run"] == other.id


@pytest.mark.usefixtures("in_process")
async def test_a_ping_is_answered(viewer: User) -> None:
    async with Socket(viewer) as socket:
        await socket.say(type="ping")

        assert await socket.hear() == {"type": "pong"}


@pytest.mark.usefixtures("in_process")
async def test_topics_of_others_are_named_in_an_error(growing: Growing, stranger: User) -> None:
    async with Socket(stranger) as socket:
        await socket.say(type="subscribe", topics=["runs", growing.topic])
        subscribed = await socket.hear("subscribed")
        error = await socket.hear("error")
        await in_thread(growing.tell)("run.started")
        await socket.say(type="ping")
        nothing = await socket.hear()

    assert subscribed["topics"] == ["runs"]
    assert (error["code"], error["topics"]) == ("not_found", [growing.topic])
    assert nothing == {"type": "pong"}


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "origin", ["https://evil.test", "null", "", "http://localhost.evil.test", "http://["]
)
async def test_other_sites_cannot_connect(viewer: User, origin: str) -> None:
    async with Socket(viewer, origin=origin) as socket:
        pass

    assert not socket.is_open


@pytest.mark.usefixtures("in_process")
async def test_strangers_and_other_paths_are_refused(viewer: User) -> None:
    async with Socket() as nobody, Socket(viewer, path="/ws/other/") as elsewhere:
        pass

    assert not nobody.is_open
    assert not elsewhere.is_open
    assert not hub().readers


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 1003),
        ("[]", 1003),
        ("null", 1003),
        ("[" * 60_000, 1003),
        ('{"type":"ping","x":"' + "x" * consumers.LONGEST + '"}', 1009),
    ],
)
async def test_what_is_no_message_closes_the_socket(viewer: User, text: str, code: int) -> None:
    async with Socket(viewer) as socket:
        await socket.send_to(text_data=text)

        assert await socket.closed() == code


@pytest.mark.usefixtures("in_process")
async def test_binary_closes_the_socket(viewer: User) -> None:
    async with Socket(viewer) as socket:
        await socket.send_to(bytes_data=b"\x00")

        assert await socket.closed() == 1003


@pytest.mark.usefixtures("in_process")
async def test_a_flood_closes_the_socket(viewer: User) -> None:
    async with Socket(viewer) as socket:
        for _ in range(consumers.BURST + 50):
            await socket.send_to(text_data='{"type":"ping"}')

        assert await socket.closed() == 1008


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "shout"},
        {},
        {"type": "subscribe", "topics": "runs"},
        {"type": "subscribe", "topics": [7]},
        {"type": "subscribe", "topics": ["agents"]},
        {"type": "subscribe", "topics": ["runs"], "after": [1]},
        {"type": "subscribe", "topics": ["runs"], "after": {"runs": "soon"}},
        {"type": "subscribe", "topics": ["runs"], "after": {"runs": True}},
    ],
)
async def test_a_message_that_makes_no_sense_is_an_error_and_the_socket_stays(
    viewer: User, message: Message
) -> None:
    async with Socket(viewer) as socket:
        await socket.send_to(text_data=json.dumps(message))
        error = await socket.hear()
        await socket.say(type="ping")
        pong = await socket.hear()

    assert (error["type"], error["code"]) == ("error", "bad_request")
    assert pong == {"type": "pong"}


@pytest.mark.usefixtures("in_process")
async def test_a_socket_closes_when_its_person_may_no_longer_look(
    growing: Growing, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "CHECK_SECONDS", 0.02)

    async with Socket(viewer) as socket:
        await socket.say(type="subscribe", topics=[growing.topic])
        await socket.hear("subscribed")
        await in_thread(Membership.objects.filter(user=viewer).delete)()

        assert await socket.closed() == 4403


@pytest.mark.usefixtures("in_process")
async def test_sockets_count_as_streams(viewer: User, settings: Any) -> None:
    settings.ORCHESTRA_STREAMS_PER_USER = 1

    async with Socket(viewer) as first, Socket(viewer) as second:
        pass

    assert first.is_open
    assert not second.is_open


@pytest.mark.usefixtures("in_process")
async def test_a_closed_socket_leaves_nothing_behind(growing: Growing, viewer: User) -> None:
    async with Socket(viewer) as socket:
        await socket.say(type="subscribe", topics=[growing.topic, "runs"])
        await socket.hear("subscribed")

    assert not hub().topics
    assert not doors.door().guests
    assert len(asyncio.all_tasks()) == 1
