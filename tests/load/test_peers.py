"""The benchmark beside the peers: a peer's script does its work, and one that is missing is told with a sentence."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from tests.load import bench_peers, model, stage
from tests.load.peers import installed, work
from tests.load.peers.installed import Peer, Skipped

ROWS = [("W4 chain", "chain", 3), ("W3 fan-out", "fan", 5)]


@pytest.fixture
def model_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    loop, port = asyncio.new_event_loop(), stage.free_port()
    server = loop.run_until_complete(loop.create_server(model.Model, "127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setenv("MODEL_PORT", str(port))
    yield port
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_model_streams_the_same_forty_tokens_to_threads_and_loops(model_port: int) -> None:
    seconds = work.timed(lambda _size: work.stream(), 1)

    assert asyncio.run(work.astream()) == work.stream() == 40
    assert seconds >= 1.9


def test_a_peer_that_cannot_be_installed_is_told_in_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(peer: Peer) -> None:
        raise Skipped(f"{peer.title} cannot be installed: no such package.")

    monkeypatch.setattr(installed, "install", refuse)
    columns, told = bench_peers.measured(ROWS, 1, {"DBOS"})
    lines = bench_peers.table(ROWS, [0.5, 0.25], {"plain Celery": [1.0, None], **columns}, told)

    assert lines[1].split() == ["W4", "chain", "0.500", "1.000", "(0.50)"]
    assert lines[2].split() == ["W3", "fan-out", "0.250", "–"]
    assert lines[3:] == ["Skipped: DBOS cannot be installed: no such package."]


def test_a_peer_whose_program_is_missing_is_skipped_with_a_sentence() -> None:
    peer = Peer("nobody", "Nobody", (), "on_dbos.py", ("nothing",))

    with pytest.raises(Skipped, match="Nobody cannot be started: "), installed.started(peer, {}):
        pass
    with pytest.raises(Skipped, match="Nobody cannot be started: "):
        installed.seconds(peer, {}, "chain", 1, 1)


@pytest.mark.services
@pytest.mark.parametrize("peer", [one for one in installed.PEERS if not one.worker], ids=lambda one: one.name)
def test_a_peer_that_is_installed_does_the_work(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    if not peer.is_installed:
        pytest.skip(f"{peer.title} is not installed; make bench-peers installs it.")
    monkeypatch.setitem(os.environ, "PLAIN_BROKER", "redis://127.0.0.1:6379/12")
    told: list[str] = []

    try:
        column = bench_peers.peer_column(peer, ROWS, 1, told)
    finally:
        stage.drop_database(installed.DATABASE)

    assert told == []
    assert column is not None
    assert all(seconds is not None and seconds > 0 for seconds in column)
