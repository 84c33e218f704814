"""Random definitions for property tests: graphs of every kind and join, small enough to run in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any
from zlib import crc32

from orchestra.engine.compiler import find_problems
from orchestra.engine.outcome import Done, Failed, Outcome
from orchestra.engine.plan import PlanNode
from orchestra.errors import ToolFailed

LLM = {"kind": "llm", "settings": {"prompt": "Say something."}}
HTTP = {"kind": "http", "settings": {"url": "https://example.org/"}}
CALL = {"kind": "function", "settings": {"name": "noop"}}
SHAPE = {"kind": "transform", "settings": {"value": 1}}
BRANCH = {
    "kind": "branch",
    "settings": {"cases": [{"name": "left", "when": "vars.go_left"}, {"name": "right", "when": "true"}]},
}
BODY = {
    "nodes": {"one": LLM, "two": {**HTTP, "needs": ["one"]}, "three": {**SHAPE, "needs": ["one"]}},
    "output": "{{ item }}",
}
MAP = {
    "kind": "map",
    "settings": {"items": [1, 2, 3], "concurrency": 2, "on_item_error": "collect", "body": BODY},
}
WAIT = {"kind": "wait", "settings": {"seconds": 2}}
LOOP = {"kind": "loop", "settings": {"max": 4, "until": "loop.index == 1", "body": {**BODY, "output": 1}}}
KINDS = (LLM, LLM, HTTP, CALL, SHAPE, BRANCH, MAP, WAIT, LOOP)
JOINS = ("any", "any", "any", "all", "done", "first")


def definition_of(nodes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"orchestra": 1, "nodes": dict(nodes), **more}


def random_definition(random: Random, *, size: int, density: float, is_plain: bool = False) -> dict[str, Any]:
    """Return a definition of up to `size` nodes. A plain one has no joins, ports or kinds that skip or decide early."""
    nodes: dict[str, Any] = {}
    for number in range(size):
        kind = random.choice(KINDS[:5] if is_plain else KINDS)
        sources = [name for name in nodes if random.random() < density]
        needs = [source if is_plain else _with_port(random, nodes, source) for source in sources]
        node = {**kind, "needs": needs}
        if not is_plain and len(needs) > 1:
            node["join"] = random.choice([*JOINS, {"quorum": random.randint(1, len(needs))}])
        if not is_plain and random.random() < 0.2:
            node["on_error"] = random.choice(["continue", {"output": "stand-in"}])
        nodes[f"n{number}"] = node
    return definition_of(nodes, variables={"go_left": random.random() < 0.5})


def _with_port(random: Random, nodes: Mapping[str, Any], source: str) -> str:
    ports = ["left", "right", "else"] if nodes[source]["kind"] == "branch" else []
    chosen = random.choice(["", "", "", *ports, *(["error"] if random.random() < 0.2 else [])])
    return f"{source}.{chosen}" if chosen else source


def behave(path: str, node: PlanNode, scope: Mapping[str, Any]) -> Outcome:
    """Fail about one node run in six, always the same ones."""
    if crc32(path.encode()) % 6 == 0:
        return Failed(ToolFailed("This one fails.").as_json())
    return Done({"text": path})


def succeed(path: str, node: PlanNode, scope: Mapping[str, Any]) -> Outcome:
    return Done({"text": path})


def duration(path: str) -> float:
    """Whole seconds from 1 to 7, the same for the same path."""
    return 1.0 + crc32(path.encode()[::-1]) % 7


def llm(prompt: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"kind": "llm", "settings": {"prompt": prompt}, **more}


def wait(**settings: Any) -> dict[str, Any]:
    return {"kind": "wait", "settings": settings}


def approval(**settings: Any) -> dict[str, Any]:
    return {"kind": "approval", "settings": settings}


def loop(output: Any, **settings: Any) -> dict[str, Any]:
    body = {"nodes": {"x": SHAPE}, "output": output}
    return {"kind": "loop", "settings": {"body": body, "max": 3, **settings}}


def each(nodes: Mapping[str, Any], output: Any = None, **more: Any) -> dict[str, Any]:
    """A map over one item."""
    return {
        "kind": "map",
        "settings": {"items": [1], "body": {"nodes": dict(nodes), "output": output}},
        **more,
    }


def branch(*names: str, **more: Any) -> dict[str, Any]:
    cases = [{"name": name, "when": "true"} for name in names]
    return {"kind": "branch", "settings": {"cases": cases}, **more}


def found(nodes: Mapping[str, Any], **more: Any) -> list[tuple[str, str]]:
    """Return (path, code) of every problem of a definition with these nodes."""
    problems = find_problems(definition_of(nodes, **more))
    return [(problem.path, problem.code) for problem in problems]


def message(nodes: Mapping[str, Any], **more: Any) -> str:
    """Return the message of the only problem of a definition with these nodes."""
    (problem,) = find_problems(definition_of(nodes, **more))
    return problem.message
