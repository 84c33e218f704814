"""Finds every problem of a definition at once: shape, schema, kinds, graph, joins, expressions, secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestra.engine.definition import find_shape_problems
from orchestra.engine.expressions import has_holes
from orchestra.engine.graph import Graph, Vertex, read_graph
from orchestra.engine.limits import EDGES, NODES
from orchestra.engine.names import NameCheck
from orchestra.engine.precedence import Precedence, check_joins, find_precedence
from orchestra.engine.report import Report
from orchestra.engine.schema import BODY, SCHEMA
from orchestra.engine.schemas import find_schema_problems, find_value_problems, place, prepared
from orchestra.engine.secrets import find_secrets
from orchestra.errors import Problem

_DEFINITION = prepared(SCHEMA)
_BODY = prepared(BODY)

Functions = Mapping[str, Mapping[str, Any]]


def analyse(
    definition: Any, functions: Functions | None = None, tools: Functions | None = None
) -> tuple[Graph | None, list[Problem]]:
    """Return the graph of a definition and its problems; no graph when it is not even an object of bounded size.

    `functions` maps the names of registered functions to the JSON Schemas of their arguments; without it, names
    and arguments of functions are not checked. `tools` are those of the team, which the kinds `tool` and `agent` may
    name too. Executes nothing; raises nothing, whatever is given.
    """
    problems = find_shape_problems(definition) or _size_problems(definition)
    if problems:
        return None, problems
    report = Report()
    report.extend(find_value_problems(_DEFINITION, definition))
    if isinstance(definition.get("inputs"), dict):
        report.extend(find_schema_problems(definition["inputs"], "inputs"))
    graph = read_graph(definition, report)
    precedence: dict[str, Precedence] = {}
    for part in _graphs(graph):
        if part.outer is not None:
            report.extend(find_value_problems(_BODY, _body_of(part), part.path.removesuffix(".")))
        precedence[part.path] = find_precedence(part)
        check_joins(part, report)
        if functions is not None:
            _check_functions(part, functions, tools or {}, report)
    NameCheck(definition, precedence, report).check_graph(graph)
    report.extend(find_secrets(definition))
    return graph, report.problems


def _size_problems(definition: Mapping[str, Any]) -> list[Problem]:
    """Count nodes and edges, bodies included, before anything costs more than counting."""
    nodes = edges = 0
    stack: list[Any] = [definition]
    while stack:
        entries = stack.pop().get("nodes")
        for node in entries.values() if isinstance(entries, dict) else ():
            nodes += 1
            if isinstance(node, dict):
                needs = node.get("needs")
                edges += len(needs) if isinstance(needs, list) else 0
                settings = node.get("settings")
                body = settings.get("body") if isinstance(settings, dict) else None
                stack.extend(inner for inner in (body, node.get("compensate")) if isinstance(inner, dict))
    problems = []
    if nodes > NODES:
        problems.append(Problem("nodes", "too_many_nodes", f"There are {nodes} nodes; {NODES} are allowed."))
    if edges > EDGES:
        problems.append(Problem("nodes", "too_many_edges", f"There are {edges} edges; {EDGES} are allowed."))
    return problems


def _graphs(graph: Graph) -> Iterator[Graph]:
    yield graph
    for body in graph.inner:
        yield from _graphs(body)


def _body_of(graph: Graph) -> Any:
    outer = graph.outer
    if outer is None:
        return {}
    owner = outer.vertices[graph.owner]
    return owner.raw["compensate"] if graph.is_undo else owner.kind.body_of(owner.settings)


def _check_functions(graph: Graph, functions: Functions, tools: Functions, report: Report) -> None:
    for vertex in graph.vertices.values():
        setting = vertex.kind.calls
        if not setting or not vertex.is_sound:
            continue
        known = {**tools, **functions} if vertex.kind.takes_tools else functions
        path, named = f"{vertex.path}.settings.{setting}", vertex.settings.get(setting, ())
        if isinstance(named, str):
            if _is_known(vertex, named, path, known, report):
                _check_arguments(vertex, known[named], report)
        else:
            for index, name in enumerate(named):
                _is_known(vertex, name, f"{path}[{index}]", known, report)


def _is_known(vertex: Vertex, name: str, path: str, known: Functions, report: Report) -> bool:
    if name in known:
        return True
    if vertex.kind.takes_tools:
        message = (
            f"There is no tool “{name[:80]}”: neither a function of this installation nor a tool of the team."
        )
        report.unknown(path, "unknown_tool", message, name, known)
    else:
        message = f"There is no function “{name[:80]}” in this installation."
        report.unknown(path, "unknown_function", message, name, known)
    return False


def _check_arguments(vertex: Vertex, schema: Mapping[str, Any], report: Report) -> None:
    """Check constant arguments by value, the others by name."""
    path = f"{vertex.path}.settings.arguments"
    arguments = vertex.settings.get("arguments", {})
    fields = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in arguments:
            report.add(place(path, [name]), "bad_arguments", f"The function needs “{name}”.")
    for name, value in arguments.items():
        if name in fields:
            if not _holds_expressions(value):
                report.extend(find_value_problems(fields[name], value, place(path, [name])))
        elif schema.get("additionalProperties") is False:
            message = f"The function has no argument “{name[:80]}”."
            report.unknown(place(path, [name]), "bad_arguments", message, name, fields)


def _holds_expressions(value: Any) -> bool:
    if isinstance(value, str):
        return has_holes(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_expressions(item) for item in inner)
