"""Kind `transform`: shape data with expressions."""

from __future__ import annotations

from orchestra.engine.context import Context
from orchestra.engine.nodes.base import Kind, Settings, object_schema
from orchestra.engine.outcome import Done, Outcome

SCHEMA = object_schema(
    {
        "value": {
            "title": "Value",
            "description": "Any JSON with expressions; it becomes the output.",
            "format": "json",
        }
    },
    ("value",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Return the evaluated value."""
    return Done(settings["value"])


KIND = Kind(
    name="transform",
    title="Transform",
    description="Shape data: any JSON with expressions.",
    schema=SCHEMA,
    run=run,
    is_pure=True,
)
