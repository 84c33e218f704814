"""What a node of the kind `agent` hands over to a remote agent, and how it takes the end of that back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestra.engine.capabilities import BadCapability, read, read_all
from orchestra.engine.expressions import has_holes
from orchestra.engine.filters import text_of
from orchestra.engine.nodes.base import Spent
from orchestra.engine.outcome import Done, Suspend, Usage
from orchestra.engine.selection import BALANCED, Placement
from orchestra.errors import Permanent, Problem, Transient
from orchestra.llm.spending import DIGITS, Call

WAITING_FOR = "agent"
"""`waiting_for` of a node whose assignment nobody has yet; with `:<short name>` the agent that works on it."""
MOST_USED = 1e12
_SENT = ("system", "schema", "tools", "temperature", "max_tokens", "max_steps", "max_cost")


class AgentFailed(Permanent):
    """The remote agent says that it cannot do this."""

    code = "agent_failed"
    hint = "Look at the message and the agent's own log, then retry the node."


class AgentUnwell(Transient):
    """The remote agent failed, but may do it another time."""

    code = "agent_unwell"
    hint = "Look at the agent's own log; the node is tried again by its retry policy."


class AgentLost(Permanent):
    """Agents were lost again and again while they worked on this."""

    code = "agent_lost"
    hint = "Look at the agents' own logs for memory or crashes, then retry the node by hand."


class BadRequirement(Permanent):
    """What is required of the agent makes no sense, or nobody is named by it."""

    code = "bad_requirement"
    hint = "Look at the node's `agent` and `requires`; the page of agents says who can do what."


def requirements_of(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a node's rendered settings require, in full form. Raises BadRequirement."""
    try:
        return read_all(settings.get("requires") or [])
    except BadCapability as error:
        raise BadRequirement(str(error)) from None


def hand_over(settings: Mapping[str, Any], placement: Placement, timeout: float | None) -> Suspend:
    """Lay the node down until a remote agent has done it; `timeout` counts from when one has it, in seconds."""
    payload = {"task": text_of(settings["task"])}
    payload |= {name: settings[name] for name in _SENT if settings.get(name) is not None}
    data = {
        "payload": payload,
        "agent": placement.agent,
        "requires": requirements_of(settings),
        "strategy": settings.get("strategy", BALANCED),
        "timeout": timeout,
    }
    return Suspend(WAITING_FOR, data=data)


def taken(end: Mapping[str, Any]) -> Done:
    """Return how the node ends after its assignment has ended.

    `end` is `{status, output, error, usage, agent, choice}`. Raises Spent around AgentFailed, AgentUnwell, AgentLost.
    """
    usage = reported_usage(end.get("usage") or {}, str(end.get("agent") or ""))
    if end["status"] != "done":
        error = end.get("error") or {}
        kinds = {"agent_lost": AgentLost}
        failure = kinds.get(str(error.get("code")), AgentUnwell if error.get("transient") else AgentFailed)
        message = str(error.get("message") or "")[:2000]
        raise Spent(failure(message), usage, {"agent": end.get("agent"), "choice": end.get("choice")})
    return Done(
        {**_output(end.get("output"), usage), "agent": end.get("agent"), "choice": end.get("choice")},
        usage=usage,
    )


def reported_usage(given: Mapping[str, Any], agent: str) -> Usage:
    """Return what an agent says that it used, as one call; what makes no sense counts as nothing."""

    def number(name: str) -> float:
        value = given.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return 0.0
        return value if 0 <= value < MOST_USED else 0.0

    named = given.get("model")
    model = named[:120] if isinstance(named, str) else ""
    tokens = int(number("input_tokens")), int(number("output_tokens"))
    cost = round(number("cost"), DIGITS)
    if not (any(tokens) or cost):
        return Usage()
    call = Call("", model, agent, *tokens, cost, None, 0.0, datetime.now(UTC))
    return Usage(*tokens, cost, model, (call,))


def _output(value: Any, usage: Usage) -> dict[str, Any]:
    """Return a result in the shape of the kind `agent`: a text, `{text?, data?, steps?}`, or any other JSON as data."""
    known = {"text", "data", "steps"}
    if isinstance(value, str):
        value = {"text": value}
    elif not (isinstance(value, Mapping) and value and set(value) <= known):
        value = {"data": value}
    text, steps = value.get("text"), value.get("steps")
    return {
        "text": text if isinstance(text, str) else "",
        "data": value.get("data"),
        "steps": steps if isinstance(steps, list) else [],
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost": usage.cost,
        },
    }


def find_problems(settings: Mapping[str, Any], path: str) -> Iterable[Problem]:
    """Requirements that are no capabilities; a strategy without anything to choose by."""
    requires: Sequence[Any] = settings.get("requires") or ()
    for index, need in enumerate(requires if isinstance(requires, list) else ()):
        if has_holes(need):
            continue
        try:
            read(need)
        except BadCapability as error:
            yield Problem(f"{path}.requires[{index}]", "bad_value", str(error))
    if "strategy" in settings and "requires" not in settings:
        yield Problem(
            f"{path}.strategy", "bad_value", "A strategy chooses among the agents that `requires` finds."
        )
    if "requires" in settings and "connection" in settings:
        yield Problem(
            f"{path}.connection", "bad_value", "The agent that is chosen brings its own connection."
        )
