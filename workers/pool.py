"""The event-loop pool: thousands of tasks in one process, each a greenlet on the runtime's loop.

Celery's tracer is synchronous; here it runs in a greenlet, and a task that has to wait for a coroutine switches to
the loop, which switches back with the result. Select it with `--pool=custom` and
`CELERY_CUSTOM_WORKER_POOL=workers.pool:LoopPool`. Celery imports pools before Django is set up, so this module must
not import what needs Django: the runtime presents itself (`present`) when it is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Protocol

from celery.concurrency.base import BasePool, apply_target
from greenlet import greenlet

GRACE_SECONDS = 8.0


class Host(Protocol):
    """What the pool needs of the process's runtime."""

    loop: asyncio.AbstractEventLoop

    @property
    def running(self) -> Collection[str]: ...

    async def hand_back_all(self, grace: float) -> None: ...


class _Presented:
    open: Callable[[], Host]
    close: Callable[[], None]


def present(open_host: Callable[[], Host], close_host: Callable[[], None]) -> None:
    """Say how this process's runtime is had, and how it is ended."""
    _Presented.open = staticmethod(open_host)
    _Presented.close = staticmethod(close_host)


class LoopGreenlet(greenlet):  # type: ignore[misc]  # greenlet is untyped
    """A tracer on the loop's thread."""


class Result:
    """What Celery keeps of a task that was handed over."""

    def __init__(self, future: Any) -> None:
        self.future = future

    def get(self, timeout: float | None = None) -> Any:
        return self.future.result(timeout)


class LoopPool(BasePool):  # type: ignore[misc]  # Celery is untyped
    body_can_be_buffer = True
    signal_safe = False
    task_join_will_block = False

    def on_start(self) -> None:
        self.host = _Presented.open()
        self.traces = 0

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_options: Any,
    ) -> Result:
        trace = self._trace(apply_target, target, args or (), kwargs or {}, callback, accept_callback)
        return Result(asyncio.run_coroutine_threadsafe(trace, self.host.loop))

    async def _trace(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a synchronous function in a greenlet, awaiting on its behalf whatever it waits for."""
        self.traces += 1
        try:
            tracer = LoopGreenlet(function)
            value = tracer.switch(*args)
            while not tracer.dead:
                try:
                    answer = await value
                except BaseException as error:
                    value = tracer.throw(error)
                else:
                    value = tracer.switch(answer)
        finally:
            self.traces -= 1
        return value

    def on_stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.host.hand_back_all(GRACE_SECONDS), self.host.loop).result()
        _Presented.close()

    on_terminate = on_stop

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()
        return {**info, "max-concurrency": self.limit, "running": self.traces}
