"""Kind `checksum`: the checksum of a text, as an example of a kind in a package of its own."""

from __future__ import annotations

import hashlib

from orchestra.engine.context import Context
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome

SCHEMA = object_schema(
    {
        "text": text_field("Text", format="textarea"),
        "algorithm": {"enum": ["sha256", "sha512", "blake2b"], "title": "Algorithm", "default": "sha256"},
    },
    ("text",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Return `{hex, bytes}` of the text in UTF-8."""
    data = str(settings["text"]).encode()
    return Done(
        {"hex": hashlib.new(settings.get("algorithm", "sha256"), data).hexdigest(), "bytes": len(data)}
    )


KIND = Kind(
    name="checksum",
    title="Checksum",
    description="The checksum of a text.",
    queue="cpu",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"algorithm"}),
    fields=("hex", "bytes"),
)
