"""How a worker runs a node's kind with care: reuse of results (`cache`), effects that may happen once (`effect`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apps.runs.actions import cache, effects
from orchestra.engine.attempt import plain_output
from orchestra.engine.effects import EFFECT, NOT_HAPPENED, is_doubtful
from orchestra.engine.nodes import Kind
from orchestra.engine.nodes.base import Spent
from orchestra.engine.outcome import Done, Outcome, Suspend, Usage
from orchestra.errors import NodeFailure

if TYPE_CHECKING:
    from workers.context import WorkerContext

Settings = Mapping[str, Any]


async def run_with_care(context: WorkerContext, kind: Kind, settings: Settings) -> Outcome:
    """Run a kind as its node's `cache` and `effect` ask. Raises as the kind does."""
    if context.node.cache:
        return await _run_cached(context, kind, settings)
    if context.node.effect:
        return await _run_once(context, kind, settings)
    return await kind.run(context, settings)


async def _run_cached(context: WorkerContext, kind: Kind, settings: Settings) -> Outcome:
    team, seconds = context.claimed.facts.team, context.node.cache
    key = await context.in_database(lambda: cache.fingerprint(team, kind.name, settings))
    found = await context.in_database(lambda: cache.find_result(team, key))
    if found is not None:
        return found
    outcome = await kind.run(context, settings)
    if isinstance(outcome, Done):
        kept = outcome = replace(outcome, output=plain_output(outcome.output))
        await context.in_database(lambda: cache.keep_result(team, key, kind.name, kept, seconds))
    return outcome


async def _run_once(context: WorkerContext, kind: Kind, settings: Settings) -> Outcome:
    """Run a kind unless its effect may have happened already; suspend it whenever that cannot be known."""
    run, path, fence = context.claimed.facts.run, context.path, context.claimed.fence
    worker = context.runtime.name
    permit = await context.in_database(lambda: effects.prepare(run, path, fence, worker))
    if not permit.is_free:
        return _ask(permit.reason)
    if not await context.in_database(lambda: effects.mark_sent(run, path, fence)):
        return _ask("Another attempt has taken it over.")
    try:
        async with asyncio.timeout(context.node.timeout):
            return await kind.run(context, settings)
    except TimeoutError:
        return _ask(f"No answer within {context.node.timeout:g} s.")
    except NodeFailure as error:
        if is_doubtful(error):
            return _ask(error.message)
        raise Spent(error, Usage(), NOT_HAPPENED) from error


def _ask(reason: str) -> Suspend:
    return Suspend(EFFECT, data={"reason": reason})
