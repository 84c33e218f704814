"""Django behind an ASGI server: each request runs in one thread from its first middleware to its last.

Django's own handler hands a request over to a thread and back once for each of its middlewares, in a thread made for
it, whose connections (cache, database, broker) are new as well. Here the threads stay, and so does what they hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, TypeVar

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import close_old_connections
from django.http import HttpResponseBase
from django.urls import set_script_prefix

MOST_AT_ONCE = 1000
"""Requests at once; a thread is made when none is free. Who waits for a run's end (`?wait=`) holds one meanwhile."""

T = TypeVar("T")


class ThreadHandler(ASGIHandler):
    """Answers requests with synchronous views; what streams from a loop belongs to Django's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        """Load every middleware in its synchronous form."""
        super().load_middleware(is_async=False)

    def close(self) -> None:
        """End the threads that are free, and the others when they are."""
        self._threads.shutdown(wait=False)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or stop waiting for its answer when the client has gone."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        answering = asyncio.ensure_future(self._answer(scope, body, send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, answering):
            if not task.done():
                task.cancel()
        left, answered = await asyncio.gather(leaving, answering, return_exceptions=True)
        for error in (answered, left):
            if isinstance(error, BaseException) and not isinstance(
                error, RequestAborted | asyncio.CancelledError
            ):
                raise error

    async def _answer(self, scope: Any, body: IO[bytes], send: Any) -> None:
        working = self._threads.submit(self._respond, scope, body)
        try:
            response = await asyncio.wrap_future(working)
        except asyncio.CancelledError:
            working.add_done_callback(_let_go)
            raise
        try:
            await self.send_response(response, send)
        finally:
            if response.streaming:
                await asyncio.shield(self._in_thread(response.close))

    def _respond(self, scope: Any, body: IO[bytes]) -> HttpResponseBase:
        """Return the answer; one that is complete is closed already, and its connections are given back."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        try:
            request, refusal = self.create_request(scope, body)
            response: HttpResponseBase = refusal or self.get_response(request)  # type: ignore[arg-type]  # one of the two
            response._handler_class = self.__class__  # type: ignore[attr-defined]  # named in the signal of its end
            if not response.streaming:
                response.close()
            return response
        finally:
            body.close()
            close_old_connections()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _let_go(working: Future[HttpResponseBase]) -> None:
    """Close an answer that nobody takes any more."""
    if not working.cancelled() and working.exception() is None:
        working.result().close()
