"""Cancelling stops what asynchronous kinds do outside within a second: the connection is closed, the slot is free."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from apps.runs import live
from apps.runs.actions import cancel_run, start_run
from tests.running import wait_until
from workers.lease import Lease

WITHIN_SECONDS = 1.0


class Silent:
    """A server that takes requests and never answers; it notes when callers hang up."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.came = 0
        self.gone: list[float] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hold, args=(link,), daemon=True).start()

    def _hold(self, link: socket.socket) -> None:
        with link:
            link.recv(65536)
            self.came += 1
            try:
                while link.recv(65536):
                    pass
            except OSError:
                pass
            self.gone.append(time.monotonic())


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.listener.close()


def test_a_cancel_whose_word_was_lost_is_noticed_at_the_next_renewal_of_the_lease(
    worker: Any,
    publish_workflow: Any,
    editor: Any,
    settings: Any,
    silent: Silent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({f"127.0.0.1:{silent.port}"})
    monkeypatch.setattr(live, "tell_workers", lambda _message: None)
    call = {"kind": "http", "timeout": 60, "settings": {"url": f"http://127.0.0.1:{silent.port}/"}}
    run, other = (
        start_run(workflow=publish_workflow({"orchestra": 1, "nodes": {"a": call}}), input={}, by=editor)
        for _ in range(2)
    )
    wait_until(run, lambda _run: silent.came == 2)
    cancel_run(run=run, by=editor)

    Lease(worker.pool.host).stop_ended()

    wait_until(run, lambda _run: list(worker.pool.host.running) == [str(other.pk)])
    assert len(silent.gone) <= 1
    cancel_run(run=other, by=editor)
    Lease(worker.pool.host).stop_ended()


def test_requests_under_way_are_hung_up_within_a_second_of_the_cancel(
    worker: Any, publish_workflow: Any, editor: Any, settings: Any, silent: Silent
) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({f"127.0.0.1:{silent.port}"})
    call = {"kind": "http", "timeout": 60, "settings": {"url": f"http://127.0.0.1:{silent.port}/"}}
    body = {"nodes": {"inner": call}, "output": "{{ nodes.inner.output }}"}
    each = {"kind": "map", "settings": {"items": list(range(10)), "body": body}}
    workflow = publish_workflow({"orchestra": 1, "nodes": {"alone": call, "each": each}})
    run = start_run(workflow=workflow, input={}, by=editor)
    wait_until(run, lambda _run: silent.came == 11)

    began = time.monotonic()
    cancel_run(run=run, by=editor)
    wait_until(run, lambda _run: len(silent.gone) == 11 and not worker.pool.host.running)

    assert run.status == "cancelled"
    assert max(silent.gone) - began < WITHIN_SECONDS
    assert set(run.node_runs.values_list("status", flat=True)) == {"cancelled"}
