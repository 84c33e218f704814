"""One attempt at one node: condition, settings, the kind's work within its timeout, and what a failure means."""

from __future__ import annotations

import asyncio
import json
import logging
import random as standard_random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestra.engine.context import LIMIT, Context, Postponed
from orchestra.engine.definition import is_too_deep
from orchestra.engine.expressions import is_true, render
from orchestra.engine.limits import JSON_DEPTH, OUTPUT_BYTES
from orchestra.engine.nodes import Kind, kind
from orchestra.engine.nodes.base import Spent
from orchestra.engine.outcome import Done, Failed, Outcome, Skipped, Suspend, Usage, usage_of
from orchestra.engine.plan import ERROR, INLINE, OUT
from orchestra.engine.policy import retry_delay
from orchestra.errors import BadOutput, ExpressionError, NodeFailure, Permanent

log = logging.getLogger(__name__)

Run = Callable[[Context, Mapping[str, Any]], Awaitable[Outcome]]


class OutputTooLarge(Permanent):
    """The node's output is larger than a node may keep."""

    code = "output_too_large"
    hint = "Return less, or cut the output down in the function or service."


class InternalError(Permanent):
    """Something in this installation went wrong; its log says what."""

    code = "internal_error"
    hint = "An operator finds the cause in the worker's log under the run's id."


async def attempt(
    context: Context,
    *,
    has_error_edge: bool = False,
    random: Callable[[], float] = standard_random.random,
    run: Run | None = None,
) -> Outcome:
    """Make one attempt at `context.node` and return how it ended; raises nothing but CancelledError.

    `has_error_edge` says that an edge leaves from the node's port `error` (`Plan.handles_errors`): it takes the
    failure after the last attempt and overrides `on_error`. `run` replaces the kind's own work, for simulations.
    A `Failed` with `retry_after` is to be attempted again; otherwise it is final. Outputs are plain JSON, at most
    1 MiB; NUL characters and half surrogates in them are replaced.
    """
    node = context.node
    found = kind(node.kind)
    try:
        if node.when is not None and context.items is None and not is_true(node.when, context.scope):
            return Skipped()
        outcome = await _within_time(found, context, run or found.run)
        if isinstance(outcome, Failed):
            return _final(context, outcome, has_error_edge)
        return _checked(outcome)
    except Postponed as postponed:
        return Suspend(LIMIT + postponed.limit, due_in=postponed.seconds)
    except Spent as spent:
        return _failed(context, spent.failure, has_error_edge, random, spent.usage, spent.details)
    except NodeFailure as error:
        return _failed(context, error, has_error_edge, random, usage_of(context.tally))
    except Exception as error:
        log.exception("Node %s failed in an unforeseen way", context.idempotency_key)
        message = (
            f"{type(error).__name__} while running the kind {node.kind}; the worker's log has the details."
        )
        return _failed(context, InternalError(message), has_error_edge, random, usage_of(context.tally))


async def _within_time(found: Kind, context: Context, run: Run) -> Outcome:
    """Run the kind; what runs past the node's timeout is cancelled and fails as the kind's timeout error."""
    keeps_time = found.queue == INLINE or found.keeps_time or bool(context.node.effect)
    seconds = None if keeps_time else context.node.timeout
    settings = _settings(found, context)
    if seconds is None:
        return await run(context, settings)
    try:
        async with asyncio.timeout(seconds):
            return await run(context, settings)
    except TimeoutError:
        raise found.timeout_error(f"No answer within {seconds:g} s.") from None


def _settings(found: Kind, context: Context) -> Mapping[str, Any]:
    """Evaluate the settings, except where the kind does so itself or its items have already been opened."""
    settings = context.node.settings
    if context.items is not None:
        return settings
    return {
        name: value if name in found.raw else render(value, context.scope) for name, value in settings.items()
    }


def _failed(
    context: Context,
    error: NodeFailure,
    has_error_edge: bool,
    random: Callable[[], float],
    usage: Usage | None = None,
    details: Mapping[str, Any] | None = None,
) -> Failed:
    failed = Failed(error={**error.as_json(), **(details or {})}, usage=usage)
    delay = retry_delay(context.node.retry, context.attempt, error, random)
    if delay is not None:
        return replace(failed, retry_after=delay)
    return _final(context, failed, has_error_edge)


def _final(context: Context, failed: Failed, has_error_edge: bool) -> Failed:
    """Apply what the definition says about a failure after the last attempt."""
    if has_error_edge:
        return replace(failed, is_handled=True, ports=(ERROR,))
    on_error = context.node.on_error
    if on_error == "fail":
        return failed
    if on_error == "continue":
        return replace(failed, is_handled=True, ports=(OUT,))
    return _stood_in(context, failed, on_error)


def _stood_in(context: Context, failed: Failed, on_error: Any) -> Failed:
    try:
        output = plain_output(render(on_error["output"], context.scope))
    except (ExpressionError, OutputTooLarge, BadOutput) as error:
        return replace(failed, error=error.as_json())
    return replace(failed, is_handled=True, ports=(OUT,), output=output)


def _checked(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done):
        return outcome
    try:
        return replace(outcome, output=plain_output(outcome.output))
    except NodeFailure as error:
        raise Spent(error, outcome.usage or Usage()) from None


def plain_output(value: Any) -> Any:
    """Return a value as the plain JSON that will be stored. Raises BadOutput, OutputTooLarge."""
    if value is None or value is True or value is False:
        return value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadOutput(f"The output is not JSON: {str(error)[:200]}.") from None
    encoded = text.encode(errors="replace")
    if len(encoded) > OUTPUT_BYTES:
        raise OutputTooLarge(f"The output has {len(encoded):,} bytes; {OUTPUT_BYTES:,} are allowed.")
    stored = json.loads(encoded)
    if encoded.count(b"[") + encoded.count(b"{") > JSON_DEPTH and is_too_deep(stored):
        raise BadOutput(f"The output is nested deeper than {JSON_DEPTH} levels.")
    return _without_nul(stored) if b"\\u0000" in encoded else stored


def _without_nul(value: Any) -> Any:
    """PostgreSQL's JSON cannot hold the NUL character."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
