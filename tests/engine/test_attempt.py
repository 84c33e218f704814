"""One attempt: condition, settings, time, and what a failure means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.engine.attempt import attempt
from orchestra.engine.context import Context
from orchestra.engine.limits import OUTPUT_BYTES
from orchestra.engine.outcome import Done, Failed, Outcome, Skipped, Suspend, Usage
from orchestra.engine.plan import ERROR, OUT
from orchestra.errors import BadCredentials, NodeFailure, RateLimited, ToolUnavailable
from tests.engine.contexts import FakeContext, Model, context


def raising(error: Exception) -> Any:
    async def run(context: Context, settings: Mapping[str, Any]) -> Outcome:
        raise error

    return run


def returning(outcome: Outcome) -> Any:
    async def run(context: Context, settings: Mapping[str, Any]) -> Outcome:
        return outcome

    return run


def shape(value: Any = 1, scope: Mapping[str, Any] | None = None, **more: Any) -> FakeContext:
    return context("transform", {"value": value}, scope, **more)


async def failure(context: FakeContext, error: Exception, **more: Any) -> Failed:
    outcome = await attempt(context, run=raising(error), **more)
    assert isinstance(outcome, Failed)
    return outcome


async def test_settings_are_evaluated_before_the_kind_sees_them() -> None:
    outcome = await attempt(shape({"a": ["{{ inputs.n }}", "n={{ inputs.n }}"]}, {"inputs": {"n": 3}}))

    assert outcome == Done({"a": [3, "n=3"]})


@pytest.mark.parametrize(
    ("when", "outcome"), [("inputs.n > 2", Done(1)), ("inputs.n > 3", Skipped()), ("inputs.no", Skipped())]
)
async def test_a_false_condition_skips(when: str, outcome: Outcome) -> None:
    assert await attempt(shape(when=when, scope={"inputs": {"n": 3}})) == outcome


@pytest.mark.parametrize("more", [{"when": "1 / 0"}, {"value": "{{ 1 / 0 }}"}])
async def test_an_expression_that_fails_is_a_permanent_failure(more: dict[str, Any]) -> None:
    outcome = await attempt(shape(**more))

    assert isinstance(outcome, Failed)
    assert (outcome.error["code"], outcome.error["transient"]) == ("expression_error", False)
    assert outcome.retry_after is None


async def test_transient_failures_are_tried_again_by_the_policy() -> None:
    first = await failure(shape(attempt=1), ToolUnavailable("Gone."))
    second = await failure(shape(attempt=2), RateLimited("Wait.", retry_after=9))
    last = await failure(shape(attempt=3), ToolUnavailable("Gone."))

    assert (first.retry_after, second.retry_after, last.retry_after) == (1.0, 11.0, None)
    assert first.error["message"] == "Gone."
    assert first.error["transient"] is True


async def test_permanent_failures_are_not_tried_again() -> None:
    assert (await failure(shape(), BadCredentials())).retry_after is None


async def test_a_last_failure_ends_the_node_unhandled_by_default() -> None:
    failed = await failure(shape(), BadCredentials())

    assert (failed.is_handled, failed.ports, failed.output) == (False, (), None)


async def test_on_error_continue_takes_the_way_of_success_with_null() -> None:
    failed = await failure(shape(on_error="continue"), BadCredentials())

    assert (failed.is_handled, failed.ports, failed.output) == (True, (OUT,), None)


async def test_on_error_output_stands_in() -> None:
    node = shape(on_error={"output": {"n": "{{ inputs.n }}"}}, scope={"inputs": {"n": 3}})

    failed = await failure(node, BadCredentials())

    assert (failed.is_handled, failed.ports, failed.output) == (True, (OUT,), {"n": 3})


async def test_a_stand_in_that_fails_fails_the_node() -> None:
    failed = await failure(shape(on_error={"output": "{{ 1 / 0 }}"}), BadCredentials())

    assert not failed.is_handled
    assert failed.error["code"] == "expression_error"


async def test_an_error_edge_overrides_on_error() -> None:
    failed = await failure(shape(on_error="continue"), BadCredentials(), has_error_edge=True)

    assert (failed.is_handled, failed.ports) == (True, (ERROR,))


async def test_nothing_is_handled_while_attempts_remain() -> None:
    failed = await failure(shape(on_error="continue"), ToolUnavailable(), has_error_edge=True)

    assert failed.retry_after is not None
    assert (failed.is_handled, failed.ports) == (False, ())


async def test_a_failure_that_a_kind_returns_is_final() -> None:
    given = Failed({"code": "model_refused", "message": "No."})

    outcome = await attempt(shape(on_error="continue"), run=returning(given))

    assert outcome == Failed(given.error, is_handled=True, ports=(OUT,))


async def test_unforeseen_errors_say_nothing_of_what_they_hold() -> None:
    failed = await failure(shape(), RuntimeError("password=hunter2"))

    assert failed.error["code"] == "internal_error"
    assert failed.retry_after is None
    assert "hunter2" not in json.dumps(failed.error)
    assert "RuntimeError" in failed.error["message"]


@pytest.mark.parametrize(
    ("kind", "settings", "code"),
    [("llm", {"prompt": "Hi"}, "model_timeout"), ("function", {"name": "f"}, "timeout")],
)
async def test_what_takes_too_long_is_stopped(kind: str, settings: dict[str, Any], code: str) -> None:
    stopped = asyncio.Event()

    async def run(context: Context, settings: Mapping[str, Any]) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    outcome = await attempt(context(kind, settings, timeout=0.01), run=run)

    assert isinstance(outcome, Failed)
    assert (outcome.error["code"], outcome.retry_after) == (code, 1.0)
    assert stopped.is_set()


async def test_a_cancelled_attempt_is_cancelled() -> None:
    started = asyncio.Event()

    async def run(context: Context, settings: Mapping[str, Any]) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(attempt(context("function", {"name": "f"}, timeout=60), run=run))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ({1, 2}, "bad_output"),
        (float("nan"), "bad_output"),
        (object(), "bad_output"),
        ("x" * OUTPUT_BYTES, "output_too_large"),
        (["é" * 1000] * 600, "output_too_large"),
        (json.loads("[" * 33 + "]" * 33), "bad_output"),
    ],
)
async def test_outputs_must_be_json_of_bounded_size(output: Any, code: str) -> None:
    outcome = await attempt(shape(), run=returning(Done(output, usage=Usage(3, 4))))

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == code
    assert outcome.usage == Usage(3, 4)


async def test_outputs_are_what_will_be_stored() -> None:
    given = {
        "tuple": (1, 2),
        3: "key",
        "nul": "a\x00b",
        "half": "a\ud800",
        "whole": "é😀",
        "slash": "\\u0000",
    }

    outcome = await attempt(shape(), run=returning(Done(given, ports=(OUT, "x"))))

    assert outcome == Done(
        {"tuple": [1, 2], "3": "key", "nul": "a\ufffdb", "half": "a?", "whole": "é😀", "slash": "\\u0000"},
        ports=(OUT, "x"),
    )


async def test_outputs_may_be_as_deep_as_any_json_here() -> None:
    deep = json.loads("[" * 32 + "]" * 32)

    assert await attempt(shape(), run=returning(Done(deep))) == Done(deep)


async def test_waiting_is_passed_on() -> None:
    assert await attempt(shape(), run=returning(Suspend("a person"))) == Suspend("a person")


async def test_a_failed_model_call_still_counts_its_tokens() -> None:
    node = context("llm", {"prompt": "Hi"}, model=Model(["Hal"], error=BadCredentials("No.")))

    outcome = await attempt(node)

    assert isinstance(outcome, Failed)
    assert outcome.error["code"] == "bad_credentials"
    assert outcome.usage is not None
    assert outcome.usage.output_tokens > 0


def test_every_failure_has_a_code_and_a_hint() -> None:
    """What a node stores about its failure must be complete for every class there is."""

    def classes(base: type[NodeFailure]) -> list[type[NodeFailure]]:
        return [base, *(found for child in base.__subclasses__() for found in classes(child))]

    for failure_class in classes(NodeFailure):
        stored = failure_class().as_json()
        assert all(stored[key] for key in ("code", "message", "hint"))
