"""Kind `workflow`: run another workflow of the team as a child run; its output is the node's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.expressions import has_holes, is_one_hole
from orchestra.engine.nodes.base import Kind, Settings, Spent, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome, Suspend, Usage
from orchestra.engine.status import RunStatus
from orchestra.errors import Permanent, Problem

WAITING_FOR = "child"
SLUG_PATTERN = "^[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?$"
MOST_DEPTH = 10
"""Runs within runs: a workflow that calls itself ends here."""

WORKFLOW = {
    "workflow": text_field(
        "Workflow", "Short name, in the same team.", pattern=SLUG_PATTERN, format="workflow"
    ),
    "version": {
        "type": "integer",
        "title": "Version",
        "description": "Empty: the one that is published when the child starts.",
        "minimum": 1,
    },
    "input": {"title": "Input", "description": "An object; it fits the child's inputs.", "format": "json"},
}
"""Settings that say which workflow to run on what; `map` has them too."""

SCHEMA = object_schema(
    {
        **WORKFLOW,
        "wait": {
            "type": "boolean",
            "title": "Wait for its end",
            "description": "No: the output is `{run, number}`, and the child goes its own way.",
            "default": True,
        },
    },
    ("workflow",),
)


class ChildNotStarted(Permanent):
    """The child run could not be started."""

    code = "child_not_started"
    hint = "Look at the node's `workflow`, `version` and `input`, and at the inputs of the workflow it names."


class ChildFailed(Permanent):
    """The child run did not succeed."""

    code = "child_failed"
    hint = "Open the child run, see what went wrong there, and retry this node."


async def run(context: Context, settings: Settings) -> Outcome:
    """Start the child on the first call; take its end on the second.

    Raises ChildNotStarted, ChildFailed. What the child has used counts for this node.
    """
    if context.items is not None:
        return _ended(context.items[0].output)
    given = settings.get("input", {})
    if not isinstance(given, Mapping):
        raise ChildNotStarted("`input` must be an object.")
    child = await context.start_child(
        settings["workflow"], settings.get("version"), given, is_part=waits(settings)
    )
    if not waits(settings):
        return Done(dict(child))
    return Suspend(WAITING_FOR, data=child)


def waits(settings: Settings) -> bool:
    return settings.get("wait", True) is not False


def _ended(child: Mapping[str, Any]) -> Outcome:
    used = Usage(**child["usage"])
    if child["status"] == RunStatus.SUCCEEDED:
        return Done(child["output"], usage=used)
    message = (child["error"] or {}).get("message") or "it was cancelled."
    raise Spent(ChildFailed(f"{child['workflow']} #{child['number']} {child['status']}: {message}"), used)


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """An input that can be no object."""
    given = settings.get("input", {})
    is_text = isinstance(given, str) and not (has_holes(given) and is_one_hole(given))
    if is_text or not isinstance(given, Mapping | str):
        yield Problem(
            f"{path}.input", "bad_value", "`input` is an object, or one hole, {{ … }}, that gives one."
        )


KIND = Kind(
    name="workflow",
    title="Workflow",
    description="Run another workflow as a child run.",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"workflow", "version", "wait"}),
    find_problems=find_problems,
    waits=True,
)
