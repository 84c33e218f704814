"""Getting one answer: the targets in order, structured output with re-asks, tokens and cost of all of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator

from orchestra.errors import (
    BadCredentials,
    BadOutput,
    BudgetDegraded,
    BudgetSpent,
    CostLimit,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    NodeFailure,
    RateLimited,
    Transient,
)
from orchestra.llm.client import Answer, Chunk, Finish, Message, ModelRequest, ModelTarget, TextDelta
from orchestra.llm.spending import Tally as Tally
from orchestra.llm.structured import complaint, parse_json, problems_of, validator_for
from orchestra.llm.tokens import count_tokens
from orchestra.llm.wire import NotServed
from orchestra.net import clean_json, clean_text

REASKS = 2
MAX_TEXT = 4 * 1024 * 1024
MOVE_ON = (ModelUnavailable, ModelTimeout, RateLimited, NotServed, BadCredentials)
"""The errors after which the next target is tried."""

CANCELLED = "cancelled"


class Withheld(NotServed):
    """This model is kept for when the budget is spent."""

    code = "withheld"


NOT_MADE = frozenset({CANCELLED, Withheld.code, CostLimit.code, BudgetSpent.code, BudgetDegraded.code})
"""How a call may end that was never made; or was given up before its first word."""

OnText = Callable[[str], Awaitable[None]]


async def ask(
    targets: Sequence[ModelTarget], request: ModelRequest, *, on_text: OnText, tally: Tally | None = None
) -> Answer:
    """Ask the targets in order until one answers; `on_text` gets the text as it arrives.

    The next target is tried after MOVE_ON errors. With `request.schema` the answer's JSON is checked and
    asked for again, with the problems, up to REASKS times; an answer that asks for tools is given back
    unchecked. When text of a failed try was shown, a line in
    brackets separates it from the next one. `request.timeout` bounds each call. When all fail, a transient
    error wins over a permanent one, so that the retry policy has its chance.
    Raises NodeFailure; BadOutput when the JSON never fits.
    """
    tally = tally or Tally()
    validator = None if request.schema is None else validator_for(request.schema)
    errors: list[NodeFailure] = []
    screen = _Screen(on_text)
    for target in targets:
        try:
            return await _ask_one(target, request, validator, screen, tally)
        except MOVE_ON as error:
            errors.append(error)
            tally.history.append(f"{target.connection}/{target.model}: {error.code}: {error.message}")
            screen.interrupt(f"{target.model} did not finish: {error.code}")
    raise _to_raise(errors)


async def _ask_one(
    target: ModelTarget,
    request: ModelRequest,
    validator: Draft202012Validator | None,
    screen: _Screen,
    tally: Tally,
) -> Answer:
    messages = with_system(request.messages, target.system)
    for round_number in range(REASKS + 1):
        text, finish = await _call(target, _prepared(request, target, messages, tally), screen, tally)
        data, problems = _checked(text, finish, None if finish.tool_calls else validator)
        if not problems:
            return Answer(
                text=text,
                data=data,
                model=finish.model or target.model,
                finish_reason=finish.reason,
                input_tokens=tally.input_tokens,
                output_tokens=tally.output_tokens,
                cost=tally.cost,
                connection=target.connection,
                history=tuple(tally.history),
                tool_calls=finish.tool_calls,
            )
        tally.history.append(f"{target.connection}/{target.model}: bad_output: {'; '.join(problems)}")
        if round_number < REASKS:
            screen.interrupt("the answer did not fit the schema; asked again")
            messages = (*messages, Message("assistant", text), Message("user", complaint(problems)))
    raise BadOutput(
        f"After {REASKS + 1} tries the answer still does not fit the schema: {'; '.join(problems[:3])}"
    )


async def _call(
    target: ModelTarget, request: ModelRequest, screen: _Screen, tally: Tally
) -> tuple[str, Finish]:
    """Make one call; what a broken one has cost is estimated, since its provider did not say."""
    tally.calls += 1
    parts: list[str] = []
    finish: Finish | None = None
    began, failure = time.monotonic(), CANCELLED
    try:
        async with (
            asyncio.timeout(request.timeout) as limit,
            _closing(target.client.stream(request)) as chunks,
        ):
            async for chunk in chunks:
                if isinstance(chunk, Finish):
                    finish = chunk
                    break
                await _take(chunk, parts, screen)
        if finish is None:
            raise ModelUnavailable("The stream ended before the answer was complete.")
        failure = ""
    except TimeoutError as error:
        if not limit.expired():
            raise
        failure = ModelTimeout.code
        raise ModelTimeout(f"{target.model} did not answer within {request.timeout:g} s.") from error
    except NodeFailure as error:
        failure = error.code
        raise
    finally:
        if finish is None:
            finish = _broken(request, parts)
        if parts or failure not in NOT_MADE:
            tally.add(target, finish, seconds=time.monotonic() - began, error=failure)
    return "".join(parts), finish


def _broken(request: ModelRequest, parts: Sequence[str]) -> Finish:
    """Return what a call that broke off is taken to have used: nothing before the first word."""
    return Finish("error", _tokens_in(request) if parts else 0, count_tokens("".join(parts)))


async def _take(chunk: TextDelta, parts: list[str], screen: _Screen) -> None:
    text = screen.cleaned(chunk.text)
    if not text:
        return
    parts.append(text)
    screen.size += len(text)
    if screen.size > MAX_TEXT:
        raise BadOutput(f"The answer is longer than {MAX_TEXT:,} characters.")
    await screen.show(text)


class _Screen:
    """What the watchers see: the text of every try, with a line between tries."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._notice = ""
        self._half = ""
        self.size = 0

    def cleaned(self, text: str) -> str:
        """Return the piece fit to be stored; half a surrogate pair at its end waits for the next piece."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return clean_text(text)

    async def show(self, text: str) -> None:
        if self._notice:
            text, self._notice = f"\n\n[{self._notice}]\n\n{text}", ""
        await self._on_text(text)

    def interrupt(self, notice: str) -> None:
        self._half = ""
        if self.size:
            self._notice, self.size = notice, 0


def with_system(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    """Return the messages with an agent's instructions before the node's own system text."""
    if not system:
        return messages
    if messages and messages[0].role == "system":
        return (Message("system", f"{system}\n\n{messages[0].content}"), *messages[1:])
    return (Message("system", system), *messages)


def _prepared(
    request: ModelRequest, target: ModelTarget, messages: tuple[Message, ...], tally: Tally
) -> ModelRequest:
    """Fill in the target's model and defaults. A further call is another request: its key says so."""
    further = tally.calls and request.idempotency_key
    return replace(
        request,
        model=target.model,
        messages=messages,
        temperature=_either(request.temperature, target.options.get("temperature")),
        max_tokens=_either(request.max_tokens, target.options.get("max_tokens")),
        idempotency_key=f"{request.idempotency_key}#{tally.calls + 1}"
        if further
        else request.idempotency_key,
    )


def _either(first: Any, second: Any) -> Any:
    return second if first is None else first


def _checked(text: str, finish: Finish, validator: Draft202012Validator | None) -> tuple[Any, list[str]]:
    if validator is None:
        return None, []
    try:
        data = clean_json(parse_json(text))
    except ValueError as error:
        cut = " (it was cut at max_tokens)" if finish.reason == "length" else ""
        return None, [f"{error}{cut}"]
    return data, problems_of(data, validator)


def _to_raise(errors: Sequence[NodeFailure]) -> NodeFailure:
    if not errors:
        return ModelRefused("No model is chosen, and the team has no default connection.")
    return next((error for error in errors if isinstance(error, Transient)), errors[0])


def _tokens_in(request: ModelRequest) -> int:
    return sum(count_tokens(message.content) for message in request.messages)


@asynccontextmanager
async def _closing(stream: AsyncIterator[Chunk]) -> AsyncIterator[AsyncIterator[Chunk]]:
    """Close the stream when its reader leaves early, so that its connection goes back at once."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
