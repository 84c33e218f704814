"""Kind `map`: run a body once for each item of a list, in parallel, and collect the values in input order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.expressions import has_holes, is_one_hole
from orchestra.engine.limits import ITEMS
from orchestra.engine.nodes.base import Kind, Settings, expression_or, object_schema
from orchestra.engine.nodes.workflow import WORKFLOW
from orchestra.engine.outcome import Done, Expand, ItemResult, Outcome
from orchestra.errors import Permanent, Problem

CHILD = "run"
"""The only node of the body of a map over a workflow: its child run."""

NOT_RUN = "not_run"
"""Code of an item that was not started because an earlier one had failed."""

SCHEMA = object_schema(
    {
        "items": expression_or(
            {"type": "array", "title": "Items", "description": "A list, or one hole that gives one."}
        ),
        "body": {
            "type": "object",
            "title": "Body",
            "description": "`nodes` and `output`; `item` and `index` are in scope.",
            "format": "graph",
        },
        **WORKFLOW,
        "concurrency": {
            "type": "integer",
            "title": "At once",
            "description": "How many items are worked on at the same time; empty: as many as the workers take.",
            "minimum": 1,
            "maximum": ITEMS,
        },
        "on_item_error": {
            "enum": ["fail", "skip", "collect"],
            "title": "When an item fails",
            "description": "Fail the node; leave the item out; or put null in its place. The last two list `errors`.",
            "default": "fail",
        },
    },
    ("items",),
)


class BadItems(Permanent):
    """What the map should go over is not a list, or it is too long."""

    code = "bad_items"
    hint = "Look at the expression in `items`: it must give a list."


class ItemFailed(Permanent):
    """An item of the map failed."""

    code = "item_failed"
    hint = "Look at the item's nodes, or set `on_item_error` to skip or collect."


async def run(context: Context, settings: Settings) -> Outcome:
    """Open the scopes on the first call, collect their results on the second.

    Output is `{items: [...], errors: [{index, error}]}` in input order. Raises BadItems, ItemFailed.
    """
    if context.items is not None:
        return _collect(context.items, settings.get("on_item_error", "fail"))
    items = settings["items"]
    if not isinstance(items, list | tuple):
        raise BadItems(f"`items` is {_type(items)}, not a list.")
    if len(items) > ITEMS:
        raise BadItems(f"`items` has {len(items)} items; {ITEMS} are allowed.")
    if not items:
        return _collect((), "fail")
    return Expand(tuple(items), settings.get("concurrency"))


def _collect(results: Sequence[ItemResult], on_item_error: str) -> Outcome:
    ordered = sorted(results, key=lambda result: result.index)
    failed = [result for result in ordered if result.error is not None]
    if failed and on_item_error == "fail":
        first = failed[0]
        message = (first.error or {}).get("message", "")
        count = sum((result.error or {}).get("code") != NOT_RUN for result in failed)
        others = f" ({count} items failed in all)" if count > 1 else ""
        raise ItemFailed(f"Item {first.index} failed: {message}{others}")
    return Done(
        {
            "items": [
                None if result.error is not None else result.output
                for result in ordered
                if result.error is None or on_item_error == "collect"
            ],
            "errors": [{"index": result.index, "error": result.error} for result in failed],
        }
    )


def _type(value: Any) -> str:
    names = {dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def body_of(settings: Settings) -> Any:
    """Return the body; for `workflow` one that is a single child run, whose input is the item unless said otherwise."""
    if "workflow" not in settings:
        return settings.get("body")
    given = {name: settings[name] for name in ("workflow", "version") if name in settings}
    child = {"kind": "workflow", "settings": {"input": "{{ item }}", **_picked(settings, "input"), **given}}
    return {"nodes": {CHILD: child}, "output": f"{{{{ nodes.{CHILD}.output }}}}"}


def _picked(settings: Settings, name: str) -> dict[str, Any]:
    return {name: settings[name]} if name in settings else {}


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """Items that are text, not a list; neither or both of body and workflow; an input for no workflow."""
    if ("body" in settings) == ("workflow" in settings):
        yield Problem(path, "bad_value", "Give exactly one of `body` and `workflow`.")
    for name in ("version", "input"):
        if name in settings and "workflow" not in settings:
            yield Problem(f"{path}.{name}", "bad_value", f"`{name}` belongs to a `workflow`.")
    items = settings["items"]
    if isinstance(items, str) and has_holes(items) and not is_one_hole(items):
        yield Problem(
            f"{path}.items", "bad_value", "`items` must be exactly one hole, {{ … }}, that gives a list."
        )


KIND = Kind(
    name="map",
    title="Map",
    description="Run a body once for each item, in parallel.",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"body", "workflow", "version", "input", "concurrency", "on_item_error"}),
    find_problems=find_problems,
    fields=("items", "errors"),
    body_of=body_of,
    has_body=True,
    body_names=("item", "index"),
)
