"""Kind `tool`: one call of a tool, a function of the installation or one of the team, on the pool for outside calls."""

from __future__ import annotations

import json
from typing import Any

from orchestra.engine.context import Asked, Context
from orchestra.engine.limits import TOOL_BYTES
from orchestra.engine.nodes.approval import WAITING_FOR
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome, Suspend
from orchestra.errors import BadOutput, Permanent

SCHEMA = object_schema(
    {
        "tool": text_field(
            "Tool", "A registered function, or a tool of the team.", format="tool", minLength=1, maxLength=200
        ),
        "arguments": {"type": "object", "title": "Arguments", "format": "json", "default": {}},
    },
    ("tool",),
)


class ToolResultTooLarge(Permanent):
    """The tool returned more than a call may."""

    code = "tool_result_too_large"
    hint = "Ask the tool for less, or have it keep the data and return where it is."


async def run(context: Context, settings: Settings) -> Outcome:
    """Call the tool, after a person's yes where its policy wants one; its result is the output.

    Raises ToolFailed, ToolRefused, ToolTimeout, ToolResultTooLarge, BadOutput.
    """
    try:
        return Done(await call_tool(context, settings["tool"], settings.get("arguments", {})))
    except Asked as asked:
        return Suspend(WAITING_FOR, data=asked.question)


async def call_tool(context: Context, name: str, arguments: Settings, **how: Any) -> Any:
    """Call a tool and return its result, plain JSON of at most TOOL_BYTES bytes.

    `how` is as for `Context.call`. Raises as `run`, and Asked.
    """
    result = await context.call(name, arguments, **how)
    try:
        size = len(json.dumps(result, ensure_ascii=False, allow_nan=False).encode(errors="replace"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadOutput(f"The result of {name} is not JSON: {str(error)[:200]}.") from None
    if size > TOOL_BYTES:
        raise ToolResultTooLarge(f"{name} returned {size:,} bytes; {TOOL_BYTES:,} are allowed.")
    return result


KIND = Kind(
    name="tool",
    title="Tool",
    description="One call of a tool.",
    acts=True,
    queue="io",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"tool"}),
    calls="tool",
    takes_tools=True,
)
