"""The web application as a server calls it: one thread from the first middleware to the last, kept for the next."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from orchestra.handler import ThreadHandler

begun, may_end, closed = threading.Event(), threading.Event(), threading.Event()


class Noted(HttpResponse):
    def close(self) -> None:
        super().close()
        closed.set()


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(json.dumps([threading.current_thread().name, request.body.decode()]))


def slow(_request: HttpRequest) -> HttpResponse:
    begun.set()
    may_end.wait(30)
    return Noted("late")


def parts(_request: HttpRequest) -> HttpResponseBase:
    async def stream() -> Any:
        yield b"one "
        yield b"two"

    answer = StreamingHttpResponse(stream())
    answer._resource_closers.append(closed.set)  # type: ignore[attr-defined]  # what `close` runs
    return answer


urlpatterns = [path("who", who), path("slow", slow), path("parts", parts)]


@pytest.fixture
def handler(settings: Any) -> Iterator[ThreadHandler]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    for event in (begun, may_end, closed):
        event.clear()
    made = ThreadHandler()
    yield made
    may_end.set()
    made.close()


async def ask(
    handler: ThreadHandler, where: str, body: bytes = b"", gone: asyncio.Event | None = None
) -> Any:
    """Return what the server is sent for one request whose client leaves when `gone` is set."""
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body}]
    gone = gone or asyncio.Event()

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": where, "query_string": b"", "headers": []}
    await handler(scope, receive, send)
    return sent


def text_of(sent: Any) -> str:
    return b"".join(message.get("body", b"") for message in sent[1:]).decode()


async def test_a_thread_answers_one_request_after_the_other(handler: ThreadHandler) -> None:
    first, second = [json.loads(text_of(await ask(handler, "/who", body))) for body in (b"a", b"b")]

    assert first[0] == second[0] != threading.current_thread().name
    assert (first[1], second[1]) == ("a", "b")


async def test_a_request_that_takes_long_holds_up_no_other(handler: ThreadHandler) -> None:
    long = asyncio.ensure_future(ask(handler, "/slow"))
    await asyncio.to_thread(begun.wait, 30)

    other = await ask(handler, "/who")
    may_end.set()

    assert other[0]["status"] == 200
    assert text_of(await long) == "late"


async def test_an_answer_is_closed_when_its_client_has_gone(handler: ThreadHandler) -> None:
    gone = asyncio.Event()
    asked = asyncio.ensure_future(ask(handler, "/slow", gone=gone))
    await asyncio.to_thread(begun.wait, 30)

    gone.set()
    sent = await asked
    may_end.set()

    assert sent == []
    assert await asyncio.to_thread(closed.wait, 30)


async def test_a_streamed_answer_is_closed_after_its_last_part(handler: ThreadHandler) -> None:
    sent = await ask(handler, "/parts")

    assert text_of(sent) == "one two"
    assert closed.is_set()
