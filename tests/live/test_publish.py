"""The publishing side: never in the way of the work, texts in few messages, words to the workers."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from apps.runs.live import TextStreams, broadcast, listen_for_workers, tell_workers
from apps.runs.live.drivers import driver
from apps.runs.live.over_redis import field_of, kept_text, key_of
from apps.runs.live.wire import TEXT_LIMIT, Piece, TextKey, decode, encode
from orchestra.errors import Unavailable
from tests.live.conftest import RedisServer


class Recorder:
    """A driver that remembers, and fails when told to."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.forgotten: list[TextKey] = []
        self.calls = 0
        self.is_away = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.has_sent = threading.Event()

    def add_text(self, pieces: Sequence[Piece]) -> list[bool]:
        self.may_go_on.wait(10)
        self.calls += 1
        if self.is_away:
            raise Unavailable
        self.pieces += pieces
        self.has_sent.set()
        return [True] * len(pieces)

    def forget_texts(self, keys: Sequence[TextKey]) -> None:
        self.forgotten += keys


def test_a_frozen_redis_holds_the_work_up_for_less_than_a_second_and_then_not_at_all(
    redis_server: RedisServer,
) -> None:
    broadcast([("run:1", {"type": "run.started", "seq": 1})])

    with redis_server.frozen():
        durations = []
        for _ in range(3):
            before = time.monotonic()
            broadcast([("run:1", {"type": "run.started", "seq": 2})])
            durations.append(time.monotonic() - before)

    assert durations[0] < 1
    assert max(durations[1:]) < 0.1


def test_a_broken_connection_is_tried_once_more(redis_server: RedisServer) -> None:
    inbox = redis_server.client.pubsub(ignore_subscribe_messages=True)
    inbox.subscribe("orchestra:0:live:topic:run:1")
    broadcast([("run:1", {"type": "run.started", "seq": 1})])

    redis_server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    broadcast([("run:1", {"type": "run.started", "seq": 2})])

    told = [message for _ in range(4) if (message := inbox.get_message(timeout=2))]
    inbox.close()
    assert [decode(message["data"])["seq"] for message in told] == [1, 2]


@pytest.mark.parametrize("bad", [{"type": "x", "data": object()}, {"type": "x", "data": float("nan")}])
def test_what_cannot_be_said_in_json_is_not_the_callers_problem(
    bad: dict[str, Any], in_process: None
) -> None:
    broadcast([("run:1", bad)])


def test_a_cut_surrogate_is_sent_as_an_escape() -> None:
    assert decode(encode({"type": "x", "text": "草\ud83d"})) == {"type": "x", "text": "草\ud83d"}


def test_workers_hear_what_they_are_told(driver_name: str) -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def hear(message: Any) -> None:
        heard.put(message)
        if "fail" in message:
            raise RuntimeError("a bad day")

    stop = listen_for_workers(hear)
    first = None
    for _ in range(100):
        tell_workers({"fail": 1})
        try:
            first = heard.get(timeout=0.1)
            break
        except queue.Empty:
            continue
    tell_workers({"cancel": "a run"})
    while (second := heard.get(timeout=5)) == {"fail": 1}:
        pass
    stop()

    assert first == {"fail": 1}
    assert second == {"cancel": "a run"}


def test_a_listener_connects_again(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.runs.live.over_redis.PAUSE_SECONDS", 0.01)
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stop = listen_for_workers(heard.put)

    def tell_until_heard() -> Any:
        for _ in range(100):
            tell_workers({"cancel": "it"})
            try:
                return heard.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    before = tell_until_heard()
    cut = redis_server.cut_readers()
    after = tell_until_heard()
    stop()

    assert cut == 1
    assert before == after == {"cancel": "it"}


def test_what_comes_together_goes_out_together() -> None:
    recorder = Recorder()
    streams = TextStreams(recorder, gather_seconds=3600)  # type: ignore[arg-type]  # the half that texts need

    for word in ("Once ", "upon ", "a time"):
        streams.add("run", "draft", 1, word)
        streams.add("run", "review", 1, word)
    streams.end("run", "draft", 1)

    assert [(piece.key.path, piece.index, piece.text) for piece in recorder.pieces] == [
        ("draft", 1, "Once upon a time")
    ]
    streams.close()
    assert recorder.pieces[-1].text == "Once upon a time"
    assert {key.path for key in recorder.forgotten} == {"draft", "review"}


async def test_an_event_loop_does_not_wait_for_the_last_piece() -> None:
    recorder = Recorder()
    recorder.may_go_on.clear()
    streams = TextStreams(recorder, gather_seconds=3600)  # type: ignore[arg-type]  # the half that texts need
    streams.add("run", "draft", 1, "Once ")

    before = time.monotonic()
    streams.end("run", "draft", 1)
    took = time.monotonic() - before
    recorder.may_go_on.set()
    sent = await asyncio.to_thread(recorder.has_sent.wait, 5)
    await asyncio.to_thread(streams.close)

    assert took < 0.1
    assert sent
    assert [piece.text for piece in recorder.pieces] == ["Once "]


def test_thousands_of_streams_share_few_round_trips() -> None:
    recorder = Recorder()
    streams = TextStreams(recorder, gather_seconds=0.2)  # type: ignore[arg-type]  # the half that texts need

    for number in range(2000):
        streams.add("run", f"views[{number}].draft", 1, "word ")
    streams.close()

    assert len(recorder.pieces) == 2000
    assert recorder.calls <= 8


def test_a_piece_that_failed_goes_first_and_the_text_is_written_anew() -> None:
    recorder = Recorder()
    streams = TextStreams(recorder, gather_seconds=3600)  # type: ignore[arg-type]  # the half that texts need
    streams.add("run", "draft", 1, "Once ")

    recorder.is_away = True
    streams._flush([TextKey("run", "draft", 1)])
    recorder.is_away = False
    streams.add("run", "draft", 1, "upon")
    streams.end("run", "draft", 1)
    streams.close()

    assert [(piece.index, piece.text, piece.whole) for piece in recorder.pieces] == [
        (1, "Once ", "Once "),
        (2, "upon", None),
    ]


def test_a_driver_that_is_away_costs_the_work_nothing() -> None:
    recorder = Recorder()
    recorder.is_away = True
    streams = TextStreams(recorder, gather_seconds=0.001)  # type: ignore[arg-type]  # the half that texts need

    streams.add("run", "draft", 1, "Once ")
    streams.end("run", "draft", 1)
    streams.close()

    assert recorder.calls >= 1
    assert not recorder.pieces


def test_a_text_is_streamed_up_to_its_limit() -> None:
    recorder = Recorder()
    streams = TextStreams(recorder, gather_seconds=3600)  # type: ignore[arg-type]  # the half that texts need

    for _ in range(3):
        streams.add("run", "draft", 1, "x" * (TEXT_LIMIT // 2 + 1))
    streams.end("run", "draft", 1)
    streams.close()

    assert sum(len(piece.text) for piece in recorder.pieces) == TEXT_LIMIT


def test_a_new_attempt_forgets_the_one_before() -> None:
    recorder = Recorder()
    streams = TextStreams(recorder, gather_seconds=0.001)  # type: ignore[arg-type]  # the half that texts need

    streams.add("run", "draft", 2, "Again ")
    streams.close()

    assert TextKey("run", "draft", 1) in recorder.forgotten


def test_kept_texts_leave_nothing_behind(driver_name: str, request: pytest.FixtureRequest) -> None:
    streams = TextStreams(gather_seconds=0.001)
    streams.add("run", "draft", 1, "Once ")
    streams.end("run", "draft", 1)

    streams.close()

    if driver_name == "redis":
        assert request.getfixturevalue("redis_server").client.keys("*") == []
    else:
        assert driver().texts("run") == []  # type: ignore[attr-defined]  # the driver in process


def test_a_piece_sent_twice_counts_once() -> None:
    key = TextKey("run", "views[2].draft", 1)

    kept = kept_text(key, [b"2 Once upon ", b"3 a ", b"3 a ", b"4 time"])

    assert (kept.index, kept.text) == (4, "Once upon a time")
    assert key_of("run", field_of(key).encode()) == key
