"""Workflow shapes that make trouble: diamonds, N, crossings, chains, fans, maps, branches, early joins, retries."""

from __future__ import annotations

from random import Random
from typing import Any

from orchestra.engine.compiler import find_problems
from tests.engine.graphs import CALL, HTTP, LLM, SHAPE, branch, definition_of, random_definition

TURNS: tuple[dict[str, Any], ...] = (LLM, HTTP, CALL)
QUICK = {"retry": {"max": 5, "base": 0.1, "cap": 1.0}}


def graph(edges: str, **nodes: dict[str, Any]) -> dict[str, Any]:
    """`a>b a>c`: neighbours are of different queues, so that every edge crosses from one worker to another."""
    needs: dict[str, list[str]] = {}
    for edge in edges.split():
        source, _, target = edge.partition(">")
        needs.setdefault(source, [])
        if target:
            needs.setdefault(target, []).append(source)

    def level(name: str) -> int:
        return max((level(source) + 1 for source in needs[name]), default=0)

    return definition_of(
        {name: {**TURNS[level(name) % 3], "needs": needs[name], **nodes.get(name, {})} for name in needs}
    )


def fixed_shapes() -> dict[str, dict[str, Any]]:
    """Return shapes by name."""
    item = {"nodes": {"one": LLM, "two": {**CALL, "needs": ["one"]}}, "output": "{{ item }}"}
    inner = {"items": [1, 2], "on_item_error": "collect", "body": item}
    outer = {"nodes": {"in": {"kind": "map", "settings": inner}, "after": {**HTTP, "needs": ["in.out"]}}}
    fan = {f"n{number}": CALL for number in range(18)}
    return {
        "diamond": graph("a>b a>c b>d c>d"),
        "n": graph("a>c a>d b>d"),
        "crossing": graph("a>c a>d b>c b>d c>e d>e d>f"),
        "chain": graph("a>b b>c c>d d>e"),
        "butterfly": graph("a>d a>e b>d b>f c>e c>f d>g e>g e>h f>h"),
        "first": graph("a>d b>c c>d d>e", d={"join": "first"}),
        "quorum": graph("a>d b>d c>d d>e", d={"join": {"quorum": 2}}),
        "branch": definition_of(
            {
                "ask": LLM,
                "way": branch("left", "right", needs=["ask"]),
                "l": {**CALL, "needs": ["way.left"]},
                "r": {**HTTP, "needs": ["way.right"]},
                "end": {**CALL, "needs": ["l", "r"]},
            }
        ),
        "fan": definition_of({**fan, "join": {**LLM, "needs": list(fan), "join": "done"}}),
        "map": definition_of(
            {
                "before": LLM,
                "each": {
                    "kind": "map",
                    "needs": ["before"],
                    "settings": {
                        "items": list(range(7)),
                        "concurrency": 4,
                        "on_item_error": "collect",
                        "body": item,
                    },
                },
                "shape": {**SHAPE, "needs": ["each"]},
                "after": {**CALL, "needs": ["shape"]},
            }
        ),
        "nested": definition_of(
            {"out": {"kind": "map", "settings": {"items": [1, 2], "on_item_error": "collect", "body": outer}}}
        ),
    }


LIMIT = 1.1
"""Of cost, in the shape `bounded`: of its eight calls at a quarter each the fifth passes it."""


def shapes_with_care() -> dict[str, dict[str, Any]]:
    """Return shapes with results that may be reused, and with a limit of cost, by name."""
    kept = {"cache": 3600}
    bounded = definition_of({f"{name}{name}": LLM for name in "abcdefgi"})
    return {
        "cached": graph("aa>bb aa>cc bb>dd cc>dd", bb=kept, cc=kept, dd=kept),
        "bounded": {**bounded, "limits": {"cost": LIMIT}, "defaults": QUICK},
    }


def random_shapes(seed: int, count: int) -> list[dict[str, Any]]:
    """Return valid random definitions of up to 10 nodes with every kind of join, port and failure."""
    random = Random(seed)
    found: list[dict[str, Any]] = []
    while len(found) < count:
        definition = random_definition(random, size=random.randint(3, 10), density=random.choice([0.2, 0.4]))
        definition["defaults"] = QUICK
        if not find_problems(definition):
            found.append(definition)
    return found
