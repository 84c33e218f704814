"""The event-loop pool: thousands of tasks in one process, each a greenlet on the runtime's loop.

Celery's tracer is synchronous; here it runs in a greenlet, and a task that has to wait for a coroutine switches to
the loop, which switches back with the result. Select it with `--pool=custom` and
`CELERY_CUSTOM_WORKER_POOL=workers.pool:LoopPool`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from celery.concurrency.base import BasePool, apply_target
from greenlet import getcurrent, greenlet

from workers import runtime

T = TypeVar("T")

GRACE_SECONDS = 8.0


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
        self.runtime = runtime.current()
        self.active: set[asyncio.Task[Any]] = set()

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
        return Result(asyncio.run_coroutine_threadsafe(trace, self.runtime.loop))

    async def _trace(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a synchronous function in a greenlet, awaiting on its behalf whatever it waits for."""
        tracer = LoopGreenlet(function)
        value = tracer.switch(*args)
        while not tracer.dead:
            try:
                answer = await value
            except BaseException as error:
                value = tracer.throw(error)
            else:
                value = tracer.switch(answer)
        return value

    def on_stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.runtime.hand_back_all(GRACE_SECONDS), self.runtime.loop).result()
        runtime.close()

    on_terminate = on_stop

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()
        return {**info, "max-concurrency": self.limit, "running": len(self.runtime.running)}


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine from inside a task, in whichever pool it runs."""
    tracer = getcurrent()
    if isinstance(tracer, LoopGreenlet):
        return tracer.parent.switch(coroutine)  # type: ignore[no-any-return]
    return runtime.wait(coroutine)
