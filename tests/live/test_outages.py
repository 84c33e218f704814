"""What readers see while something is away: everything, later; and that it is late."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from apps.accounts.models import User
from apps.runs.live import TextStreams, backlog, broadcast, frames, over_redis, rows, sources, stream, topics
from apps.runs.live import hub as hubs
from apps.runs.live.hub import Hub
from tests.live.browsing import Client, cookie_of, in_thread
from tests.live.conftest import RedisServer
from tests.live.growing import Growing


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a silent Redis within a fraction of a second."""
    monkeypatch.setattr(sources, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(sources, "PING_SECONDS", 0.1)
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(over_redis, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(hubs, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(hubs, "PATIENCE_SECONDS", 0.1)


async def test_what_happens_while_the_connection_is_cut_comes_with_the_next(
    growing: Growing, viewer: User, redis_server: RedisServer
) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(growing.tell)("run.started")
        await client.events(1)
        assert await in_thread(redis_server.cut_readers)() == 1
        await in_thread(growing.tell)("node.started", "draft")
        seqs = await client.events(1)

    assert seqs == [2]


@pytest.mark.usefixtures("_impatient")
async def test_while_redis_is_frozen_events_come_late_and_the_reader_knows(
    growing: Growing, viewer: User, redis_server: RedisServer
) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(growing.tell)("run.started")
        await client.events(1)
        with redis_server.frozen():
            late = await client.block("link")
            await in_thread(growing.tell)("node.started", "draft")
            meanwhile = await client.events(1)
        again = await client.block("link")
        await in_thread(growing.tell)("node.started", "review")
        after = await client.events(1)

    assert late["data"]["delayed"] is True
    assert again["data"]["delayed"] is False
    assert meanwhile + after == [2, 3]


@pytest.mark.usefixtures("_impatient")
async def test_a_stream_opens_while_redis_is_away(growing: Growing, viewer: User, settings: Any) -> None:
    settings.REDIS_URL = "unix:///tmp/there-is-no-such-socket"
    await in_thread(growing.tell)("run.started")

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        before = await client.events(1)
        await in_thread(growing.tell)("node.started", "draft")
        after = await client.events(1)

    assert before + after == [1, 2]


@pytest.mark.usefixtures("_impatient")
async def test_the_database_alone_carries_events(growing: Growing, viewer: User, settings: Any) -> None:
    settings.REDIS_URL = ""
    settings.BROKER_URL = "amqp://workers-are-elsewhere"
    headers = await in_thread(cookie_of)(viewer)

    async with (
        Client(growing.path, headers) as client,
        Client("/api/v1/events/stream?topics=runs", headers) as listing,
    ):
        await in_thread(growing.log)("run.started", status="running")
        seqs = await client.events(1)
        listed = await listing.block("run.started")

    assert seqs == [1]
    assert listed["data"]["data"] == {"workflow": "sample", "number": 1, "status": "running"}


async def test_a_message_that_was_never_sent_is_found_by_the_check(
    growing: Growing, viewer: User, driver_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "CHECK_SECONDS", 0.05)
    headers = await in_thread(cookie_of)(viewer)

    async with (
        Client(growing.path, headers) as client,
        Client("/api/v1/events/stream", headers) as listing,
    ):
        await in_thread(growing.log)("run.started", status="running")
        seqs = await client.events(1)
        listed = await listing.block()

    assert seqs == [1]
    assert listed["event"] == "run.started"


async def test_a_gap_that_no_ring_holds_is_read_from_the_log(
    growing: Growing, viewer: User, driver_name: str
) -> None:
    count = frames.RING_FRAMES + 50

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(growing.tell)("run.started")
        first = await client.events(1)
        await in_thread(growing.many)(count)
        await in_thread(growing.tell)("node.started", "last")
        rest = await client.events(count + 1)

    assert first + rest == list(range(1, count + 3))


async def test_a_slow_reader_only_lags(growing: Growing, viewer: User, driver_name: str) -> None:
    count = 2 * frames.RING_FRAMES
    may_take = asyncio.Event()
    may_take.set()
    headers = await in_thread(cookie_of)(viewer)

    async with (
        Client(growing.path, headers, before_send=may_take.wait) as slow,
        Client(growing.path, headers) as quick,
    ):
        may_take.clear()
        for _ in range(count):
            await in_thread(growing.tell)("node.started", "x")
        quicks = await quick.events(count)
        may_take.set()
        slows = await slow.events(count)

    assert quicks == slows == list(range(1, count + 1))


async def test_texts_lost_by_redis_are_written_anew(
    growing: Growing, viewer: User, redis_server: RedisServer
) -> None:
    streams = TextStreams(gather_seconds=0.001)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        streams.add(growing.id, "draft", 1, "Once ")
        await client.block("node.delta")
        await in_thread(redis_server.client.flushdb)()
        streams.add(growing.id, "draft", 1, "upon ")
        told = [(await client.block("node.delta"))["data"]["data"]["text"] for _ in range(2)]
    kept = await in_thread(redis_server.client.lrange)(f"orchestra:0:live:text:{growing.id}:1:draft", 0, -1)
    await in_thread(streams.close)()

    assert told == ["upon ", ""]
    assert kept == [b"3 Once upon "]


async def test_servers_share_one_redis(growing: Growing, redis_server: RedisServer) -> None:
    here, there = Hub(), Hub()
    readers = [(one, one.open()) for one in (here, there)]
    for one, reader in readers:
        await one.follow_run(reader, growing.topic, 0)
        await reader.read()

    await in_thread(growing.tell)("run.started")
    told = []
    for one, reader in readers:
        while not (frames_ := await reader.read()):
            assert await reader.wait(5)
        told.append([frame.seq for frame in frames_])
        await one.leave(reader)

    assert told == [[1], [1]]


async def test_a_team_that_missed_too_much_reads_its_list_anew(
    growing: Growing, viewer: User, driver_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "TEAM_LIMIT", 3)
    headers = await in_thread(cookie_of)(viewer)

    async with Client("/api/v1/events/stream?topics=runs", headers) as client:
        await in_thread(growing.tell)("run.queued")
        await client.block("run.queued")
        for type_ in ("run.started", "run.waiting", "run.started"):
            await in_thread(growing.log)(type_)
        await hubs.hub().check()
        reset = await client.block()

    assert (reset["event"], reset["data"]["topic"]) == ("reset", f"team:{growing.run.team_id}")


async def test_a_team_hears_of_an_overtaken_status_never(
    growing: Growing, viewer: User, driver_name: str
) -> None:
    headers = await in_thread(cookie_of)(viewer)

    async with Client("/api/v1/events/stream?topics=runs", headers) as client:
        await in_thread(growing.tell)("run.queued")
        await client.block("run.queued")
        started = await in_thread(growing.log)("run.started", status="running")
        ended = await in_thread(growing.log)("run.succeeded", status="succeeded")
        await in_thread(broadcast)(ended)
        await in_thread(broadcast)(started)
        await in_thread(broadcast)(ended)
        first = await client.block()
        await in_thread(growing.tell)("run.resumed", status="running")
        second = await client.block()

    assert [first["event"], second["event"]] == ["run.succeeded", "run.resumed"]


async def test_a_run_that_is_deleted_ends_its_streams(
    growing: Growing, viewer: User, driver_name: str
) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(growing.run.delete)()
        await hubs.hub().check()
        end = await client.block()

    assert end["event"] == "end"


async def test_without_a_database_a_stream_is_a_503(
    growing: Growing, viewer: User, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OperationalError("connection refused")

    headers = await in_thread(cookie_of)(viewer)
    monkeypatch.setattr(stream, "in_database", away)

    async with Client(growing.path, headers) as client:
        pass

    assert client.status == 503
    assert client.problem["code"] == "unavailable"
    assert client.headers["retry-after"]


async def test_a_log_that_cannot_be_read_ends_the_stream_with_a_word(
    growing: Growing, viewer: User, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OperationalError("connection refused")

    await in_thread(growing.many)(3)
    headers = await in_thread(cookie_of)(viewer)
    monkeypatch.setattr(backlog, "in_database", away)

    async with Client(growing.path, headers) as client:
        bye = await client.block()
        await client.until_over()

    assert (bye["event"], bye["data"]["reason"]) == ("bye", "unavailable")


async def test_rows_that_cannot_be_read_for_a_while_are_read_later(
    growing: Growing, viewer: User, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 3
    read = topics.in_database

    async def flaky(*args: Any) -> Any:
        nonlocal failures
        failures -= 1
        if failures > 0:
            raise OperationalError("the connection was closed")
        return await read(*args)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        monkeypatch.setattr(topics, "in_database", flaky)
        await in_thread(growing.log)("run.started")
        await in_thread(growing.tell)("node.started", "draft")
        seqs = await client.events(2)

    assert seqs == [1, 2]
    assert failures <= 0


async def test_nonsense_on_the_wire_does_no_harm(
    growing: Growing, viewer: User, redis_server: RedisServer
) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        for raw in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"seq":"x"}',
            b'{"type":"node.delta"}',
            b"\xff",
            b'{"type":7}',
        ):
            await in_thread(redis_server.client.publish)(f"orchestra:0:live:topic:{growing.topic}", raw)
        await in_thread(growing.tell)("run.started")
        seqs = await client.events(1)

    assert seqs == [1]
