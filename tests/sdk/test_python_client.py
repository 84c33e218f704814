"""The Python client against a server that does as it is told: retries, time limits, tokens, streams taken up again."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk" / "python"))

from orchestra_client import ApiError, Client, ConnectionFailed
from orchestra_client import rest as rest_module
from orchestra_client import streams as streams_module

Answer = tuple[int, dict[str, str], bytes]
RUN = {"id": "r1", "status": "succeeded", "workflow": "w", "number": 1}


class Server:
    """Answers each request by `act`, and keeps (method, path, headers) of all."""

    def __init__(self) -> None:
        self.act: Callable[[int, str, str, Any], Answer] = lambda number, method, path, body: ok({})
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with lock:
                    number = len(outer.seen)
                    outer.seen.append((self.command, self.path, dict(self.headers)))
                status, headers, text = outer.act(
                    number, self.command, self.path, json.loads(body or b"null")
                )
                if not status:
                    return  # hang up without a word
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer  # noqa: N815  (the names of the base class)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def ok(body: Any, **headers: str) -> Answer:
    return 200, headers, json.dumps(body).encode()


def problem(status: int, code: str, **headers: str) -> Answer:
    return status, headers, json.dumps({"status": status, "code": code, "detail": "No."}).encode()


def sse(*frames: tuple[str, str, Any]) -> Answer:
    text = "".join(f"id: {id_}\nevent: {type_}\ndata: {json.dumps(data)}\n\n" for id_, type_, data in frames)
    return 200, {"Content-Type": "text/event-stream"}, f": hello\n\n{text}".encode()


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.server.shutdown()
    started.server.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have the client wait for nothing; return for how long it would have."""
    waited: list[float] = []
    for module in (rest_module, streams_module):
        monkeypatch.setattr(module.time, "sleep", waited.append)
    return waited


def test_what_passes_is_tried_again_with_the_same_key(server: Server, pauses: list[float]) -> None:
    answers = [problem(503, "unavailable"), (0, {}, b""), problem(429, "limit", **{"Retry-After": "7"})]
    server.act = lambda number, *_: answers[number] if number < 3 else ok({"id": "r1", "status": "queued"})

    run = Client(server.url, key="k", team="writers").start("greeting", {"name": "Ada"})

    assert (run.id, run.workflow, run.is_final) == ("r1", "greeting", False)
    keys = {headers["Idempotency-Key"] for _method, _path, headers in server.seen}
    assert (len(server.seen), len(keys)) == (4, 1)
    assert pauses[2] == 7.0
    assert server.seen[0][2]["X-Team"] == "writers"
    assert server.seen[0][2]["Authorization"] == "Bearer k"


def test_what_does_not_pass_is_said_at_once_with_its_code(server: Server) -> None:
    listed = {
        "status": 422,
        "code": "invalid",
        "detail": "No.",
        "problems": [{"path": "a", "code": "b", "message": "c"}],
    }
    server.act = lambda *_: (422, {}, json.dumps(listed).encode())

    with pytest.raises(ApiError, match=r"422 invalid: No\. a: c") as caught:
        Client(server.url, key="k").publish("x", {})

    assert (caught.value.code, caught.value.problems[0].path, len(server.seen)) == ("invalid", "a", 1)


def test_a_change_without_a_key_is_never_repeated(server: Server) -> None:
    server.act = lambda *_: (0, {}, b"")

    with pytest.raises(ConnectionFailed):
        Client(server.url, key="k").rest.patch("agents/1", {}, if_match='"1"')
    with pytest.raises(ConnectionFailed):
        Client(server.url, key="k", retries=1).run("r1")

    assert [method for method, _path, _headers in server.seen] == ["PATCH", "GET", "GET"]


def test_a_silent_server_costs_the_time_limit_and_no_more(server: Server) -> None:
    gate = threading.Event()
    server.act = lambda *_: (gate.wait(30), ok({}))[1]

    with pytest.raises(ConnectionFailed, match="timed out"):
        Client(server.url, key="k", timeout=0.05, retries=0).run("r1")
    gate.set()


def test_tokens_are_renewed_once_for_many_threads(server: Server) -> None:
    current = {"token": "a1"}

    def act(_number: int, _method: str, path: str, body: Any) -> Answer:
        if path.endswith("auth/token"):
            return ok({"access": "a1", "refresh": "f1"})
        if path.endswith("auth/token/refresh"):
            assert body == {"refresh": "f1"}
            current["token"] = "a2"
            return ok({"access": "a2", "refresh": "f2"})
        given = server.seen[-1][2]["Authorization"]
        return ok(RUN) if given.endswith(current["token"]) else problem(401, "not_authenticated")

    server.act = act
    client = Client(server.url, login=("ada", "secret"))
    client.run("r1")
    current["token"] = "a2"

    client.run("r1")
    client.run("r1")

    paths = [path.rpartition("/v1/")[2] for _method, path, _headers in server.seen]
    assert paths.count("auth/token") == 1
    assert paths.count("auth/token/refresh") == 1


def test_a_stream_is_taken_up_where_it_broke_off_and_ends_with_the_run(server: Server) -> None:
    def envelope(seq: int, type_: str, **data: Any) -> tuple[str, str, Any]:
        return str(seq), type_, {"seq": seq, "type": type_, "run": "r1", "node": None, "data": data}

    delta = ("", "node.delta", {"path": "say", "index": 1, "text": "Hi"})
    parts = [
        sse(envelope(1, "run.started"), delta),
        (0, {}, b""),
        sse(envelope(2, "node.succeeded"), ("", "bye", {})),
        sse(envelope(3, "run.succeeded", status="succeeded")),
    ]

    def act(_number: int, _method: str, path: str, _body: Any) -> Answer:
        return parts.pop(0) if path.endswith("/events") else ok({**RUN, "status": "running"})

    server.act = act

    found = list(Client(server.url, key="k", retries=0).stream.events("r1"))

    assert [event.seq for event in found] == [1, None, 2, 3]
    assert (found[1].node, found[1].data["text"]) == ("say", "Hi")
    asked = [
        headers.get("Last-Event-Id") or headers.get("Last-event-id")
        for _m, path, headers in server.seen
        if "events" in path
    ]
    assert asked == [None, "1", "1", "2"]


def test_pages_are_read_to_the_end(server: Server) -> None:
    def act(_number: int, _method: str, path: str, _body: Any) -> Answer:
        if "cursor" in path:
            return ok({"results": [RUN], "next": None})
        return ok({"results": [RUN], "next": f"{server.url}/api/v1/runs?cursor=x&limit=1"})

    server.act = act

    assert [run.id for run in Client(server.url, key="k").runs(limit=1)] == ["r1", "r1"]


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no http or https"):
        Client("file:///etc/passwd")
