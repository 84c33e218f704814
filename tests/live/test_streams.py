"""What a browser gets from an event stream: everything once, in order, and nothing that is not its own."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.runs.live import TextStreams, broadcast, readers
from tests.live.browsing import Client, cookie_of, in_thread, key_of
from tests.live.growing import Growing

pytestmark = pytest.mark.usefixtures("driver_name")


async def test_a_stream_replays_the_log_and_then_follows(growing: Growing, viewer: User) -> None:
    await in_thread(growing.tell)("run.queued")
    await in_thread(growing.tell)("run.started", status="running")

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        replayed = await client.events(2)
        await in_thread(growing.tell)("node.started", "draft", attempt=1)
        block = await client.block()

    assert client.headers["content-type"] == "text/event-stream"
    assert replayed == [1, 2]
    assert (block["id"], block["event"]) == ("3", "node.started")
    assert block["data"]["run"] == growing.id
    assert block["data"]["node"] == "draft"
    assert block["data"]["data"] == {"attempt": 1}


async def test_a_cursor_leaves_out_what_is_known(growing: Growing, viewer: User) -> None:
    await in_thread(growing.many)(5)
    headers = await in_thread(cookie_of)(viewer)

    async with Client(f"{growing.path}?after=3", headers) as client:
        by_address = await client.events(2)
    async with Client(f"{growing.path}?after=1", {**headers, "last-event-id": "4"}) as client:
        by_header = await client.events(1)

    assert by_address == [4, 5]
    assert by_header == [5]


async def test_a_stream_ends_with_its_run(growing: Growing, viewer: User) -> None:
    await in_thread(growing.tell)("run.queued")

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await client.events(1)
        await in_thread(growing.tell)("run.succeeded", status="succeeded")
        last = await client.block()
        end = await client.block()
        await client.until_over()

    assert last["event"] == "run.succeeded"
    assert end["event"] == "end"


async def test_the_stream_of_an_ended_run_tells_it_all_and_ends(growing: Growing, viewer: User) -> None:
    await in_thread(growing.many)(600)
    await in_thread(growing.tell)("run.failed", status="failed")

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await client.until_over()
        seqs = await client.events(601)
        end = await client.block()

    assert seqs == list(range(1, 602))
    assert end["event"] == "end"


async def test_a_browser_that_comes_back_after_the_end_is_told_to_stay_away(
    growing: Growing, viewer: User
) -> None:
    await in_thread(growing.tell)("run.cancelled", status="cancelled")

    headers = {**await in_thread(cookie_of)(viewer), "last-event-id": "1"}
    async with Client(growing.path, headers) as client:
        pass

    assert client.status == 204


async def test_who_missed_too_much_is_told_to_read_anew(
    growing: Growing, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "REPLAY_LIMIT", 20)
    await in_thread(growing.many)(30)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        reset = await client.block()
        await in_thread(growing.tell)("run.started")
        following = await client.events(1)

    assert (reset["event"], reset["id"], reset["data"]["run"]) == ("reset", "30", growing.id)
    assert following == [31]


async def test_a_cursor_from_the_future_is_told_to_read_anew(growing: Growing, viewer: User) -> None:
    await in_thread(growing.many)(3)

    async with Client(f"{growing.path}?after=99", await in_thread(cookie_of)(viewer)) as client:
        reset = await client.block()

    assert (reset["event"], reset["id"]) == ("reset", "3")


async def test_swapped_doubled_and_lost_messages_are_put_right(growing: Growing, viewer: User) -> None:
    def disorder() -> None:
        first, second, third, fourth = (growing.log("node.started", f"n{index}") for index in range(4))
        broadcast(second)
        broadcast(first)
        broadcast(second)
        del third  # its message is lost
        broadcast(fourth)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(disorder)()
        seqs = await client.events(4)
        await in_thread(growing.tell)("node.started", "last")
        last = await client.events(1)

    assert seqs == [1, 2, 3, 4]
    assert last == [5]


async def test_late_joiners_get_the_text_so_far_first(growing: Growing, viewer: User) -> None:
    await in_thread(growing.node)("draft")
    streams = TextStreams(gather_seconds=0.001)
    headers = await in_thread(cookie_of)(viewer)

    async with Client(growing.path, headers) as early:
        streams.add(growing.id, "draft", 1, "Once ")
        first = await early.block("node.delta")
        streams.add(growing.id, "draft", 1, "upon ")
        second = await early.block("node.delta")
        async with Client(growing.path, headers) as late:
            so_far = await late.block("node.text")
            streams.add(growing.id, "draft", 1, "a time")
            third = await late.block("node.delta")
    await in_thread(streams.close)()

    assert [first["data"]["data"]["index"], second["data"]["data"]["index"]] == [1, 2]
    assert "id" not in first
    assert so_far["data"]["data"] == {"path": "draft", "attempt": 1, "index": 2, "text": "Once upon "}
    assert third["data"]["data"] == {"path": "draft", "attempt": 1, "index": 3, "text": "a time"}


async def test_the_text_of_an_ended_node_is_not_sent_again(growing: Growing, viewer: User) -> None:
    await in_thread(growing.node)("draft", status="succeeded")
    streams = TextStreams(gather_seconds=0.001)
    streams.add(growing.id, "draft", 1, "All of it")
    await in_thread(streams.end)(growing.id, "draft", 1)

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await in_thread(growing.tell)("node.succeeded", "draft")
        block = await client.block()
    await in_thread(streams.close)()

    assert block["event"] == "node.succeeded"


async def test_one_stream_follows_many_topics_and_resumes_all_of_them(
    make_run: Any, viewer: User, team: Team
) -> None:
    first, second = await in_thread(make_run)(), await in_thread(make_run)()
    await in_thread(first.many)(2)
    await in_thread(second.many)(3)
    headers = await in_thread(cookie_of)(viewer)
    address = f"/api/v1/events/stream?topics=runs,{first.topic}@1,{second.topic}"

    async with Client(address, headers) as client:
        told = [(await client.block())["data"] for _ in range(4)]
        await in_thread(first.tell)("run.started", status="running")
        both = [(await client.block())["data"] for _ in range(2)]
        await in_thread(second.log)("node.started", "quiet")
    async with Client(address, {**headers, "last-event-id": client.last_id}) as again:
        missed = (await again.block("node.started"))["data"]

    assert [(one["run"], one["seq"]) for one in told] == [(first.id, 2)] + [(second.id, n) for n in (1, 2, 3)]
    assert {one["seq"] for one in both} == {3}
    assert {"workflow": "sample", "number": 1, "status": "running"} in [one["data"] for one in both]
    assert (missed["run"], missed["seq"]) == (second.id, 4)


async def test_a_team_hears_of_its_runs_only(
    make_run: Any, viewer: User, team: Team, other_team: Team, stranger: User
) -> None:
    ours, theirs = await in_thread(make_run)(), await in_thread(make_run)(other_team)

    async with Client("/api/events/stream", await in_thread(cookie_of)(viewer)) as client:
        await in_thread(theirs.tell)("run.queued")
        await in_thread(ours.tell)("node.started", "draft")
        await in_thread(ours.tell)("run.succeeded", status="succeeded")
        block = await client.block()

    assert (block["data"]["run"], block["event"]) == (ours.id, "run.succeeded")


async def test_a_quiet_stream_beats(growing: Growing, viewer: User, settings: Any) -> None:
    settings.ORCHESTRA_STREAM_BEAT_SECONDS = 0.05

    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await client.until(lambda: client.body.count(b": \n\n") >= 2)

    assert client.body.startswith(b"retry: ")
    assert client.headers["x-accel-buffering"] == "no"
    assert client.headers["cache-control"] == "no-store"


async def test_an_api_key_streams_too(growing: Growing, viewer: User, team: Team) -> None:
    await in_thread(growing.tell)("run.queued")

    async with Client(growing.path, await in_thread(key_of)(viewer, team, "read")) as client:
        seqs = await client.events(1)

    assert seqs == [1]


async def test_a_server_that_stops_says_when_to_come_back(growing: Growing, viewer: User) -> None:
    async with Client(growing.path, await in_thread(cookie_of)(viewer)) as client:
        await client.stop_server()
        bye = await client.block()

    assert bye["event"] == "bye"
    assert bye["data"]["reason"] == "shutdown"
    assert 1000 <= int(bye["retry"]) <= 5000
