"""Kinds of format 1 that this release recognises and refuses with one clear problem each."""

from __future__ import annotations

from orchestra.engine.nodes.base import Kind


def _later(name: str, title: str, description: str) -> Kind:
    return Kind(name=name, title=title, description=description, is_available=False)


LATER = (
    _later("agent", "Agent", "An agent works with model and tools until the task is done."),
    _later("tool", "Tool", "One call of a tool."),
    _later("loop", "Loop", "Run a body again until a condition holds."),
    _later("workflow", "Workflow", "Run another workflow as a child run."),
    _later("approval", "Approval", "Stop until people decide."),
    _later("wait", "Wait", "Stop until a time, or an outside signal."),
)
