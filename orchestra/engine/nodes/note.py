"""Kind `note`: a remark on the canvas; never runs."""

from __future__ import annotations

from orchestra.engine.nodes.base import Kind, object_schema, text_field

KIND = Kind(
    name="note",
    title="Note",
    description="A remark on the canvas.",
    schema=object_schema({"text": text_field("Text", format="markdown")}),
    raw=frozenset({"text"}),
    runs=False,
)
