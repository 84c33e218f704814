"""Kind `branch`: take the port of the first case that holds, or of every one (`mode: many`)."""

from __future__ import annotations

from collections.abc import Iterable

from orchestra.engine.context import Context
from orchestra.engine.expressions import is_true
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome
from orchestra.engine.plan import ERROR, OUT
from orchestra.engine.schema import ID_PATTERN
from orchestra.errors import Problem

ELSE = "else"

SCHEMA = object_schema(
    {
        "cases": {
            "type": "array",
            "title": "Cases",
            "minItems": 1,
            "maxItems": 100,
            "items": object_schema(
                {
                    "name": text_field("Port", pattern=ID_PATTERN),
                    "when": text_field("When", "A bare expression.", format="expression"),
                },
                ("name", "when"),
            ),
        },
        "else": text_field(
            "Otherwise", "The port taken when no case holds.", pattern=ID_PATTERN, default=ELSE
        ),
        "mode": {
            "enum": ["one", "many"],
            "title": "Mode",
            "description": "Take the first case that holds, or every one.",
            "default": "one",
        },
    },
    ("cases",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Decide; output is `{taken: [port, …]}`. Raises ExpressionError."""
    taken: list[str] = []
    for case in settings["cases"]:
        if is_true(case["when"], context.scope):
            taken.append(case["name"])
            if settings.get("mode") != "many":
                break
    taken = taken or [settings.get("else", ELSE)]
    return Done({"taken": taken}, ports=(OUT, *taken))


def ports(settings: Settings) -> tuple[str, ...]:
    """Case names in order, then the port for everything else."""
    return (*(case["name"] for case in settings["cases"]), settings.get("else", ELSE))


def conditions(settings: Settings) -> Iterable[tuple[str, str]]:
    for index, case in enumerate(settings["cases"]):
        yield f"cases[{index}].when", case["when"]


def is_exclusive(settings: Settings) -> bool:
    return settings.get("mode") != "many"


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """Names used twice, and names that every node's ports already have."""
    seen: set[str] = set()
    names = [(f"{path}.cases[{index}].name", case["name"]) for index, case in enumerate(settings["cases"])]
    for where, name in names:
        if name in seen:
            yield Problem(where, "duplicate_port", f"Two cases are named “{name}”.")
        seen.add(name)
    for where, name in [*names, (f"{path}.else", settings.get("else", ELSE))]:
        if name in {OUT, ERROR}:
            yield Problem(where, "bad_value", f"Every node has a port “{name}”: choose another name.")


KIND = Kind(
    name="branch",
    title="Branch",
    description="Go on in one direction, or in several, by condition.",
    schema=SCHEMA,
    run=run,
    ports=ports,
    is_exclusive=is_exclusive,
    raw=frozenset({"cases", "else", "mode"}),
    conditions=conditions,
    find_problems=find_problems,
    fields=("taken",),
    is_pure=True,
)
