"""Bodies at the real server: chunked ones are read whole, too large ones are refused while they arrive."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest

from apps.accounts.models import Team, User
from tests.live.browsing import key_of
from tests.live.test_server import Server, server

__all__ = ["server"]
MEGABYTE = b"a" * 1024 * 1024
PATH = "/api/v1/workflows/validate"


def open_body(server: Server, *headers: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers, "", ""]
    client.sendall("\r\n".join(lines).encode())
    return client


def answer_of(client: socket.socket) -> tuple[int, Any]:
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("size", [None, 2_000_000_000])
def test_a_body_that_is_too_large_is_refused_while_it_arrives(server: Server, size: int | None) -> None:
    header = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    with open_body(server, header) as client:
        for _ in range(11 if size is None else 1):
            client.sendall(b"%x\r\n%s\r\n" % (len(MEGABYTE), MEGABYTE) if size is None else MEGABYTE)

        status, problem = answer_of(client)

    assert (status, problem["code"]) == (413, "too_large")
    assert "10 MB" in problem["detail"]


def test_a_chunked_body_is_read_like_any_other(server: Server, editor: User, team: Team) -> None:
    given = json.dumps({"definition": {"orchestra": 1, "nodes": {}}}).encode()
    headers = [f"{name}: {value}" for name, value in key_of(editor, team).items()]
    with open_body(server, "Transfer-Encoding: chunked", *headers) as client:
        client.sendall(b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (given[:9], given[9:])))
        client.sendall(b"0\r\n\r\n")

        status, answer = answer_of(client)

    assert status == 200, answer
    assert answer["valid"] is False
