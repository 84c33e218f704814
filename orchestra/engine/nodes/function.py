"""Kind `function`: call a Python function that the installation has registered."""

from __future__ import annotations

from orchestra.engine.context import Context
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome

SCHEMA = object_schema(
    {
        "name": text_field("Function", format="function", minLength=1, maxLength=200),
        "arguments": {"type": "object", "title": "Arguments", "format": "json", "default": {}},
    },
    ("name",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Call the function; its return value is the output. Raises ToolFailed, ToolTimeout."""
    return Done(await context.call(settings["name"], settings.get("arguments", {})))


KIND = Kind(
    name="function",
    title="Function",
    description="Call a registered Python function.",
    acts=True,
    queue="cpu",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"name"}),
    calls="name",
)
