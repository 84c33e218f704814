"""Questions to the database that wait together are asked once; one that comes later is asked anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from workers.runtime import Runtime


class HeldRecorder:
    """Keeps what it is asked to call until it is let go on."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Future[Any]]] = []

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        self.waiting.append((function, Future()))
        return self.waiting[-1][1]

    def go_on(self) -> None:
        for function, future in self.waiting:
            try:
                future.set_result(function())
            except ValueError as error:
                future.set_exception(error)
        self.waiting = []


@pytest.fixture
def runtime() -> Any:
    made = object.__new__(Runtime)
    made.recorder = HeldRecorder()
    made._asked = {}
    return made


async def asked(runtime: Any, count: int, work: Callable[[], Any], key: str = "same") -> list[Any]:
    """Ask so many times while the recorder is busy; return the answers."""
    tasks = [asyncio.ensure_future(runtime.in_database(work, key)) for _ in range(count)]
    await asyncio.sleep(0)
    runtime.recorder.go_on()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_for_the_same_answer_shares_it(runtime: Any) -> None:
    made = iter(range(10))

    assert await asked(runtime, 3, lambda: next(made)) == [0, 0, 0]
    assert await asked(runtime, 2, lambda: next(made)) == [1, 1]


async def test_who_asks_after_the_reading_began_is_told_what_is_true_then(runtime: Any) -> None:
    rows = ["old"]
    first = asyncio.ensure_future(runtime.in_database(lambda: rows[0], "same"))
    await asyncio.sleep(0)
    function, future = runtime.recorder.waiting.pop()
    answer = function()
    rows[0] = "new"

    second = asyncio.ensure_future(runtime.in_database(lambda: rows[0], "same"))
    await asyncio.sleep(0)
    future.set_result(answer)
    runtime.recorder.go_on()

    assert (await first, await second) == ("old", "new")


async def test_without_a_key_everybody_asks(runtime: Any) -> None:
    made = iter(range(10))

    assert await asked(runtime, 2, lambda: next(made), key="") == [0, 1]


async def test_an_answer_that_is_not_for_all_is_its_askers_alone(runtime: Any) -> None:
    made = iter(range(10))
    tasks = [
        asyncio.ensure_future(runtime.in_database(lambda: next(made), "same", lambda _answer: False))
        for _ in range(3)
    ]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        runtime.recorder.go_on()

    assert [task.result() for task in tasks] == [0, 1, 2]


async def test_one_who_gives_up_leaves_the_others_their_answer(runtime: Any) -> None:
    leaving = asyncio.ensure_future(runtime.in_database(lambda: 1, "same"))
    staying = asyncio.ensure_future(runtime.in_database(lambda: 1, "same"))
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.sleep(0)
    runtime.recorder.go_on()

    assert await staying == 1
    assert leaving.cancelled()


async def test_a_failure_is_everybodys_and_the_next_question_is_a_new_one(runtime: Any) -> None:
    def fail() -> None:
        raise ValueError("away")

    assert [type(error) for error in await asked(runtime, 2, fail)] == [ValueError, ValueError]
    assert await asked(runtime, 1, lambda: 5) == [5]
