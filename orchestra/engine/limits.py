"""The bounds of definition format 1: what a definition, an expression or an output may cost at most."""

from __future__ import annotations

DEFINITION_BYTES = 1 << 20
DEFINITION_VALUES = 100_000
"""Texts, numbers, lists and objects in one definition."""
JSON_DEPTH = 32
NODES = 2_000
"""Nodes of one definition, those in bodies included."""
EDGES = 10_000
BODY_DEPTH = 5
EXPRESSION_CHARACTERS = 4_096
EXPRESSION_NAMES = 200
"""Names and text literals in one expression: with the size of values this bounds the memory of a render."""
TEXT_CHARACTERS = 1 << 20
FUEL = 500_000
"""Instructions of one render."""
OUTPUT_BYTES = 1 << 20
TOOL_BYTES = 256 * 1024
"""What one call of a tool may return."""
ITEMS = 10_000
SEGMENT_NODES = 64
UNIT_SEGMENTS = 32
KNOT_SEGMENTS = 2_000
"""A knot larger than this is cut into plain gates without looking for structure in it."""
PROBLEMS = 200
"""Problems reported for one definition; a last one says that there are more."""
