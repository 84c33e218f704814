"""Kind `agent`: a model works with tools, step by step, until the task is done or a limit is reached."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from orchestra.engine.context import Asked, Context
from orchestra.engine.filters import text_of
from orchestra.engine.nodes import handover, llm
from orchestra.engine.nodes.approval import WAITING_FOR
from orchestra.engine.nodes.base import Kind, Settings, Spent, expression_or, object_schema, text_field
from orchestra.engine.nodes.tool import call_tool
from orchestra.engine.outcome import Done, Outcome, Suspend, Usage, usage_of
from orchestra.engine.selection import BALANCED, STRATEGIES
from orchestra.errors import (
    CostLimit,
    ExpressionError,
    NodeFailure,
    Problem,
    StepLimit,
    TimeLimit,
    ToolFailed,
)
from orchestra.llm.answer import ask
from orchestra.llm.client import Answer, Message, ModelRequest, ModelTarget, ToolCall, ToolSpec
from orchestra.tools.tool import Tool, digest_of, wire_name

STEPS = 10
MOST_STEPS = 50
TOLD = 32 * 1024
"""Characters of one tool's result that the model is told."""
KEPT = 4_000
"""Characters of each text, argument and result that are kept in `steps`."""
KEPT_IN_ALL = 300_000
KEPT_AT_LEAST = 200
KEPT_OF_FAILURES = 400
AT_ONCE = 8
"""Calls of one step that run at the same time."""

_OF_LLM = ("agent", "connection", "model", "system", "temperature", "max_tokens", "fallbacks", "schema")
SCHEMA = object_schema(
    {
        "task": text_field("Task", format="textarea"),
        "messages": expression_or(
            {
                "type": "array",
                "title": "Messages",
                "description": "The conversation before the task: objects with `role` (user, assistant) and `content`.",
                "items": llm.SCHEMA["properties"]["messages"]["items"],
            }
        ),
        "tools": {
            "type": "array",
            "title": "Tools",
            "description": "Functions and tools of the team that the agent may call; without it, those of `agent`.",
            "maxItems": 64,
            "uniqueItems": True,
            "items": text_field("Tool", format="tool", minLength=1, maxLength=200),
        },
        "approve": {
            "type": "array",
            "title": "Ask before",
            "description": "Tools that a person has to allow at each call, with its very arguments.",
            "maxItems": 64,
            "uniqueItems": True,
            "items": text_field("Tool", format="tool", minLength=1, maxLength=200),
        },
        "max_steps": {
            "type": "integer",
            "title": "Steps at most",
            "description": "One step is one answer of the model and the calls that it asks for.",
            "minimum": 1,
            "maximum": MOST_STEPS,
            "default": STEPS,
        },
        "max_cost": expression_or(
            {
                "type": "number",
                "title": "Cost at most",
                "description": "In the installation's currency.",
                "minimum": 0,
            }
        ),
        **{name: llm.SCHEMA["properties"][name] for name in _OF_LLM},
        "requires": expression_or(
            {
                "type": "array",
                "title": "Requires",
                "description": "Capabilities, such as translate;languages=de: an agent that has them is chosen.",
                "maxItems": 50,
                "items": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "object"}]},
            }
        ),
        "strategy": {
            "type": "string",
            "title": "Strategy",
            "description": "How one of several agents is chosen.",
            "enum": list(STRATEGIES),
            "default": BALANCED,
        },
    },
    ("task",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Work until the model answers without asking for tools; output is `{text, data, steps, usage, agent}`.

    A tool that fails is told to the model. Raises StepLimit, CostLimit, TimeLimit (the node's timeout), and what
    `orchestra.llm.answer.ask` raises; the error then carries the steps taken. What a remote agent does is laid down,
    and its end taken on the second call (`orchestra.engine.nodes.handover`).
    """
    if context.items is not None:
        return handover.taken(context.items[0].output)
    placement = await context.place_agent(settings)
    if placement.is_remote:
        return handover.hand_over(settings, placement, context.node.timeout)
    work = _Work(context, {**settings, "agent": placement.agent or None}, placement.choice)
    try:
        async with asyncio.timeout(context.node.timeout) as limit:
            return await work.until_done(limit)
    except Asked as asked:
        return Suspend(WAITING_FOR, data=asked.question, usage=work.usage())
    except TimeoutError:
        error: NodeFailure = TimeLimit(f"The agent did not finish within {work.seconds:g} s.")
    except NodeFailure as failure:
        error = failure
    raise Spent(error, work.usage(), {"steps": _shortened(work.steps)})


class _Work:
    """One attempt: the conversation so far, and what stands of it on the node run."""

    def __init__(self, context: Context, settings: Settings, choice: Mapping[str, Any] | None) -> None:
        self.context = context
        self.choice = choice
        self.settings = settings
        self.seconds = context.node.timeout
        self.tally = context.tally
        self.steps: list[dict[str, Any]] = []
        self.journal: Mapping[str, Mapping[str, Any]] = {}
        self._safe: dict[str, bool] = {}
        self._room = KEPT_IN_ALL
        self._names: dict[str, str] = {}
        self._messages = _opening(settings)

    async def until_done(self, limit: asyncio.Timeout) -> Outcome:
        self.journal = await self.context.recall()
        targets = await self.context.models(self.settings)
        tools = await self._tools(targets)
        self.settings = _with_own_limits(self.settings, targets[0].options)
        if self.seconds is None and "timeout" in targets[0].options:
            self.seconds = float(targets[0].options["timeout"])
            limit.reschedule(asyncio.get_running_loop().time() + self.seconds)
        most = self.settings.get("max_steps", STEPS)
        for number in range(1, most + 1):
            answer = await self._ask(number, targets, tools)
            if not answer.tool_calls:
                return Done(self._output(answer), usage=self.usage())
            said = Message("assistant", answer.text, tool_calls=answer.tool_calls)
            self._messages = (*self._messages, said, *await self._call_all(number, answer.tool_calls))
        raise StepLimit(f"After {most} steps the model still asks for tools.")

    async def _tools(self, targets: Sequence[ModelTarget]) -> tuple[ToolSpec, ...]:
        """Return what the model is told of the tools: the node's own, else those of its agent."""
        own = self.settings.get("tools")
        names = own if own is not None else targets[0].options.get("tools") or ()
        known = await self.context.tools(list(names))
        self._names = {wire_name(name): name for name in known}
        self._safe = {name: tool.is_safe for name, tool in known.items()}
        return tuple(
            ToolSpec(wire, _told(known[name]), known[name].schema) for wire, name in self._names.items()
        )

    async def _ask(self, number: int, targets: Sequence[ModelTarget], tools: tuple[ToolSpec, ...]) -> Answer:
        request = self._request(tools)
        key, digest = f"m{number}", digest_of([asdict(message) for message in request.messages])
        if (entry := self.journal.get(key)) and entry.get("digest") == digest:
            return await self._recalled(entry)
        await self._check_cost()
        before, started = replace(self.tally), time.monotonic()
        answer = await ask(targets, request, on_text=self.context.emit, tally=self.tally)
        self.steps.append(
            {
                "step": number,
                "type": "model",
                "model": answer.model,
                "text": self._kept(answer.text),
                "calls": [self._names.get(call.name, call.name) for call in answer.tool_calls],
                "input_tokens": self.tally.input_tokens - before.input_tokens,
                "output_tokens": self.tally.output_tokens - before.output_tokens,
                "cost": self.tally.cost - before.cost,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        if answer.tool_calls:
            calls = [asdict(call) for call in answer.tool_calls]
            entry = {"digest": digest, "text": answer.text, "calls": calls, "step": self.steps[-1]}
            await self.context.remember(key, entry)
        return answer

    async def _recalled(self, entry: Mapping[str, Any]) -> Answer:
        """Return an answer that an earlier attempt got, and paid for."""
        self.steps.append(dict(entry["step"]))
        await self.context.emit(entry["text"])
        calls = tuple(ToolCall(**call) for call in entry["calls"])
        return Answer(entry["text"], None, entry["step"]["model"], "tool_calls", 0, 0, 0.0, tool_calls=calls)

    def _request(self, tools: tuple[ToolSpec, ...]) -> ModelRequest:
        return ModelRequest(
            model="",
            messages=self._messages,
            temperature=self.settings.get("temperature"),
            max_tokens=self.settings.get("max_tokens"),
            schema=self.settings.get("schema"),
            timeout=self.seconds,
            idempotency_key=self.context.idempotency_key,
            attempt=self.context.attempt,
            tools=tools,
        )

    async def _check_cost(self) -> None:
        """Raise CostLimit when the agent's own limit or the run's is reached."""
        most = self.settings.get("max_cost")
        cost = self._spent("cost")
        if most is not None and cost >= most:
            raise CostLimit(f"The agent has cost {cost:.6f}; its limit is {most:g}.")
        await self.context.check_budget(self.tally.cost)

    async def _call_all(self, number: int, calls: Sequence[ToolCall]) -> list[Message]:
        """Make the calls of one step, several at once; return the results in the order they were asked for."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def call(index: int, one: ToolCall) -> tuple[dict[str, Any], Message] | Asked:
            async with slots:
                try:
                    return await self._call(number, index, one)
                except Asked as asked:
                    return asked

        made = await asyncio.gather(*(call(index, one) for index, one in enumerate(calls)))
        done = [one for one in made if not isinstance(one, Asked)]
        if len(done) < len(made):
            raise next(one for one in made if isinstance(one, Asked))
        self.steps.extend(step for step, _message in done)
        return [message for _step, message in done]

    async def _call(self, number: int, index: int, call: ToolCall) -> tuple[dict[str, Any], Message]:
        """Make one call; a failure becomes the result, so that the model can try another way.

        What an earlier attempt has done is not done again; what it may have done only where that is safe.
        """
        started = time.monotonic()
        name = self._names.get(call.name, call.name)
        key, digest = f"t{number}.{index}", digest_of([name, call.arguments])
        entry = self.journal.get(key, {})
        if entry.get("digest") == digest and "step" in entry:
            return dict(entry["step"]), Message("tool", entry["told"], call_id=call.id)
        step: dict[str, Any] = {"step": number, "type": "tool", "tool": name, "result": None, "error": None}
        arguments: Any = call.arguments
        try:
            arguments = self._arguments(call)
            await self.context.emit(f"\n\n→ {name} {_cut(_text(arguments), 200)}\n\n")
            if entry.get("digest") == digest and not self._safe[name]:
                raise ToolFailed(
                    f"The worker was lost while it called {name}; nobody knows whether that happened."
                )
            asks = name in (self.settings.get("approve") or ())
            begun = None if self._safe[name] else self._noting(key, digest)
            how = {"key": f"{number}.{index}", "asks": asks, "before": begun}
            result = _text(await call_tool(self.context, name, arguments, **how))
            step["result"] = self._kept(result)
        except NodeFailure as error:
            result = f"Error: {error.message}"
            step["error"] = self._kept(error.message)
        step["arguments"] = self._kept(_text(arguments))
        step["seconds"] = round(time.monotonic() - started, 3)
        told = _cut(result, TOLD)
        await self.context.remember(key, {"digest": digest, "step": step, "told": told})
        return step, Message("tool", told, call_id=call.id)

    def _noting(self, key: str, digest: str) -> Callable[[], Awaitable[None]]:
        """Return what writes down that a call which must not be repeated is about to be made."""

        async def note() -> None:
            await self.context.remember(key, {"digest": digest})

        return note

    def _arguments(self, call: ToolCall) -> Mapping[str, Any]:
        if call.name not in self._names:
            raise ToolFailed(
                f"There is no tool {call.name!r}. There are: {', '.join(self._names) or 'none'}."
            )
        try:
            found = json.loads(call.arguments)
        except (ValueError, RecursionError) as error:
            raise ToolFailed(f"The arguments are not JSON: {str(error)[:200]}.") from None
        if not isinstance(found, dict):
            raise ToolFailed("The arguments are not a JSON object.")
        return found

    def _kept(self, text: str) -> str:
        """Return as much of a text as `steps` has room for."""
        cut = _cut(text, max(KEPT_AT_LEAST, min(KEPT, self._room)))
        self._room -= len(cut)
        return cut

    def _output(self, answer: Answer) -> Mapping[str, Any]:
        return {
            "text": answer.text,
            "data": answer.data,
            "steps": self.steps,
            "usage": {name: self._spent(name) for name in ("input_tokens", "output_tokens", "cost")},
            "agent": self.settings.get("agent"),
            "choice": self.choice,
        }

    def _spent(self, name: str) -> Any:
        """Return what all attempts together have spent on the way that led here."""
        return sum(step.get(name, 0) for step in self.steps)

    def usage(self) -> Usage:
        return usage_of(self.tally) or Usage()


def _opening(settings: Settings) -> tuple[Message, ...]:
    said = (*_before(settings.get("messages")), Message("user", text_of(settings["task"])))
    system = text_of(settings.get("system"))
    return (Message("system", system), *said) if system else said


def _before(turns: Any) -> tuple[Message, ...]:
    """Return the conversation before the task. Raises ExpressionError for what is none."""
    if not isinstance(turns, list | None):
        raise ExpressionError("`messages` is not a list of messages.")
    for turn in turns or ():
        if not isinstance(turn, Mapping) or turn.get("role") not in llm.ROLES or "content" not in turn:
            raise ExpressionError(f"A message has a `role` ({', '.join(llm.ROLES)}) and a `content`.")
    return tuple(Message(turn["role"], text_of(turn["content"])) for turn in turns or ())


def _with_own_limits(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Return the settings with what the agent brings along where the node says nothing; both `approve` hold."""
    own = {name: options[name] for name in ("max_steps", "max_cost", "schema") if name in options}
    asked = [*(options.get("approve") or ()), *(settings.get("approve") or ())]
    said = {name: value for name, value in settings.items() if value is not None}
    return {**own, **said, "approve": asked}


def _told(tool: Tool) -> str:
    return tool.description or tool.title


def _shortened(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps for an error, which travels with events."""
    return [
        {
            key: _cut(value, KEPT_OF_FAILURES) if isinstance(value, str) else value
            for key, value in step.items()
        }
        for step in steps[-20:]
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… [{len(text) - most:,} more characters]"


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """A schema that is no JSON Schema; an agent and a connection at once."""
    yield from llm.find_problems(settings, path)
    yield from handover.find_problems(settings, path)


KIND = Kind(
    name="agent",
    title="Agent",
    description="An agent works with model and tools until the task is done.",
    queue="llm",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"schema", "tools", "approve", "max_steps", "strategy"}),
    find_problems=find_problems,
    fields=("text", "data", "steps", "usage", "agent", "choice"),
    calls="tools",
    takes_tools=True,
    keeps_time=True,
)
