"""What nodes do in a simulated world: the same at the same path, whatever happens around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from orchestra.engine.context import Context
from orchestra.engine.nodes import Kind, kind
from orchestra.engine.outcome import Done, Outcome, Usage
from orchestra.engine.plan import PlanNode
from orchestra.errors import ToolFailed, ToolUnavailable
from orchestra.llm.client import Finish, ModelRequest, ModelTarget
from orchestra.llm.spending import Call

SCRIPTED = frozenset({"llm", "http", "function"})
LONGEST_SECONDS = 8.0
CALL = Call(
    connection="simulated",
    model="scripted",
    agent="",
    input_tokens=3,
    output_tokens=5,
    cost=0.25,
    prices=None,
    seconds=0.1,
    ended_at=datetime(2026, 1, 1, tzinfo=UTC),
)
TARGET = ModelTarget(client=None, model="scripted", connection="simulated", prices=(0, 50_000))  # type: ignore[arg-type]  # never called
REQUEST = ModelRequest("scripted", (), max_tokens=CALL.output_tokens)
USAGE = Usage(input_tokens=3, output_tokens=5, cost=0.25, calls=(CALL,))


def outcome_at(path: str, attempt: int) -> Outcome:
    """Return what an attempt ends in. Raises ToolFailed, ToolUnavailable."""
    number = crc32(path.encode())
    if number % 11 == 0:
        raise ToolFailed("This one never works.")
    if number % 5 == 0 and attempt == 1:
        raise ToolUnavailable("Not the first time.")
    return Done({"text": path, "attempt": attempt}, usage=USAGE)


def scripted(seed: int, slowness: float) -> Callable[[str], Kind]:
    """Return a look-up of kinds whose outside world is the script: it takes virtual time."""

    async def act(context: Context, _settings: Mapping[str, Any]) -> Outcome:
        claimed = context.claimed  # type: ignore[attr-defined]  # the worker's own context
        seconds = seconds_at(f"{seed} {claimed.facts.number} {context.path}")
        async with paying(context):
            await asyncio.sleep(min(LONGEST_SECONDS, slowness * seconds))
            return outcome_at(context.path, context.attempt)

    def look_up(name: str) -> Kind:
        found = kind(name)
        return replace(found, run=act) if name in SCRIPTED else found

    return look_up


@asynccontextmanager
async def paying(context: Any) -> AsyncIterator[None]:
    """Take from the run's money what the script costs, and settle it, as calls of models do."""
    await context.check_budget()
    purse = context.runtime.purse
    held = await purse.reserve(context, TARGET, REQUEST, may_lie_down=True)
    has_begun = False
    try:
        yield
        has_begun = True
        if held is not None:
            held.take(Finish("stop", CALL.input_tokens, CALL.output_tokens))
    finally:
        purse.settle(held, has_begun=has_begun)


def seconds_at(name: str) -> float:
    """Mostly a moment, sometimes seconds: long enough that a fault falls into it."""
    number = crc32(name.encode()[::-1])
    return 4.0 if number % 13 == 0 else 0.02 + (number % 40) / 100


def ideal(path: str, _node: PlanNode, _scope: Mapping[str, Any]) -> Outcome:
    """The same for the pure simulator, where nothing is lost (it counts attempts by itself)."""
    return outcome_at(path, 2)
