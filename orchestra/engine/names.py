"""Checks every expression of a graph: its syntax, and that each name it reads exists and has a value by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra.engine.expressions import check, names_read
from orchestra.engine.graph import Graph, Vertex
from orchestra.engine.plan import Read
from orchestra.engine.precedence import Precedence
from orchestra.engine.report import Report
from orchestra.engine.schemas import place

RUN_FIELDS = ("id", "started_at", "number")
RESULT_FIELDS = ("output", "status", "error")
_FIELDS = {"run": RUN_FIELDS, "loop": ("index", "value")}
_OUTER = ("inputs", "vars", "nodes", "run", "env")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a definition that may hold expressions."""

    path: str
    value: str
    is_bare: bool = False
    more: tuple[str, ...] = ()
    """Names in scope here beside those of the graph."""


def texts_of(vertex: Vertex) -> Iterator[Text]:
    """Yield the texts of a node that are evaluated: settings, `when`, the stand-in output."""
    if vertex.is_sound:
        settings = {name: value for name, value in vertex.settings.items() if name not in vertex.kind.raw}
        yield from walk(settings, f"{vertex.path}.settings")
        for where, expression in vertex.kind.conditions(vertex.settings):
            yield Text(f"{vertex.path}.settings.{where}", expression, True, vertex.kind.body_names)
    if vertex.when is not None:
        yield Text(f"{vertex.path}.when", vertex.when, is_bare=True)
    on_error = vertex.raw.get("on_error")
    if isinstance(on_error, Mapping):
        yield from walk(on_error.get("output"), f"{vertex.path}.on_error.output")


def walk(value: Any, path: str) -> Iterator[Text]:
    """Yield every text in a JSON value with its path."""
    stack = [(path, value)]
    while stack:
        where, item = stack.pop()
        if isinstance(item, str):
            yield Text(where, item)
        elif isinstance(item, Mapping):
            stack.extend((place(where, [key]), inner) for key, inner in item.items())
        elif isinstance(item, list):
            stack.extend((place(where, [index]), inner) for index, inner in enumerate(item))


def reads_of(graph: Graph, texts: Iterator[Text]) -> tuple[Read, ...]:
    """Return what texts of a graph read, sorted; names must have been checked."""
    found: set[Read] = set()
    for text in texts:
        for name in names_read(text.value, is_bare=text.is_bare):
            steps = name.split(".")
            if steps[0] == "nodes" and len(steps) > 1:
                level, _ = _find(graph, steps[1])
                found.add(Read(level, steps[1]))
    return tuple(sorted(found, key=lambda read: (read.level, read.node)))


def _find(graph: Graph, name: str) -> tuple[int, Graph | None]:
    """Return how many bodies around this graph a node is found, and the graph it is in."""
    level = 0
    here: Graph | None = graph
    while here is not None and name not in here.vertices:
        here, level = here.outer, level + 1
    return (level, here) if here is not None else (0, None)


def body_names(graph: Graph) -> tuple[str, ...]:
    """Return the names that the bodies around a graph's nodes put in scope, the innermost first."""
    found: list[str] = []
    while graph.outer is not None:
        if not graph.is_undo:
            found.extend(graph.outer.vertices[graph.owner].kind.body_names)
        graph = graph.outer
    return tuple(dict.fromkeys(found))


class NameCheck:
    """Checks names against one definition; `precedence` by path of graph."""

    def __init__(
        self, definition: Mapping[str, Any], precedence: Mapping[str, Precedence], report: Report
    ) -> None:
        self._inputs = _declared_inputs(definition.get("inputs"))
        variables = definition.get("variables")
        self._variables = tuple(variables) if isinstance(variables, Mapping) else ()
        self._precedence = precedence
        self._report = report

    def check_graph(self, graph: Graph) -> None:
        """Report what is wrong with the expressions of a graph and of its bodies."""
        for vertex in graph.vertices.values():
            for text in texts_of(vertex):
                self._check(graph, text, vertex)
        for text in walk(graph.output, f"{graph.path}output"):
            self._check(graph, text, None)
        for body in graph.inner:
            self.check_graph(body)

    def _check(self, graph: Graph, text: Text, reader: Vertex | None) -> None:
        if not text.is_bare and "{" not in text.value:
            return
        problems = check(text.value, text.path, is_bare=text.is_bare)
        self._report.extend(problems)
        for name in () if problems else sorted(names_read(text.value, is_bare=text.is_bare)):
            self._check_name(graph, text, name.split("."), reader)

    def _check_name(self, graph: Graph, text: Text, steps: list[str], reader: Vertex | None) -> None:
        path, known = text.path, tuple(dict.fromkeys((*_OUTER, *body_names(graph), *text.more)))
        if steps[0] not in known:
            message = f"“{steps[0]}” is not in scope here; there are {', '.join(known)}."
            self._report.unknown(path, "unknown_name", message, steps[0], known)
        elif steps[0] == "nodes":
            self._check_node(graph, path, steps[1:], reader)
        elif steps[0] == "inputs" and self._inputs is not None:
            self._check_key(path, "inputs", steps[1:], self._inputs)
        elif steps[0] == "vars":
            self._check_key(path, "vars", steps[1:], self._variables)
        elif steps[0] in _FIELDS:
            self._check_key(path, steps[0], steps[1:], _FIELDS[steps[0]])

    def _check_key(self, path: str, owner: str, steps: list[str], known: tuple[str, ...]) -> None:
        if steps and steps[0] not in known:
            listed = ", ".join(known[:20]) or "nothing"
            message = f"“{owner}.{steps[0]}” is not declared; “{owner}” has {listed}."
            self._report.unknown(path, "unknown_name", message, steps[0], known)

    def _check_node(self, graph: Graph, path: str, steps: list[str], reader: Vertex | None) -> None:
        if not steps:
            self._report.add(path, "unknown_name", "Read one node at a time: nodes.<id>.output.")
            return
        name = steps[0]
        level, home = _find(graph, name)
        if home is None:
            if name not in graph.broken and not _is_broken_outside(graph, name):
                message = f"There is no node “{name[:80]}” to read."
                self._report.unknown(path, "unknown_node", message, name, graph.vertices)
            return
        if len(steps) > 1 and steps[1] not in RESULT_FIELDS:
            message = f"A node has {', '.join(RESULT_FIELDS)}, not “{steps[1]}”."
            self._report.unknown(path, "unknown_name", message, steps[1], RESULT_FIELDS)
        elif len(steps) > 2 and steps[1] == "output":
            self._check_output(path, home.vertices[name], steps[2])
        self._check_order(graph, path, name, level, reader)

    def _check_output(self, path: str, vertex: Vertex, field: str) -> None:
        """A key that the output of this kind never has."""
        fields = vertex.kind.fields
        if not fields or field in fields or isinstance(vertex.raw.get("on_error"), Mapping):
            return
        schema = vertex.settings.get("schema")
        asked = schema.get("properties") if isinstance(schema, Mapping) else None
        if isinstance(asked, Mapping) and field in asked:
            message = f"The answer's JSON is under `data`: nodes.{vertex.id}.output.data.{field}."
            self._report.add(path, "unknown_output", message)
            return
        message = f"The output of “{vertex.id}” has {', '.join(fields)}, not “{field}”."
        self._report.unknown(path, "unknown_output", message, field, fields)

    def _check_order(self, graph: Graph, path: str, name: str, level: int, reader: Vertex | None) -> None:
        here, by = graph, reader.id if reader is not None else ""
        has_ended = False
        for _ in range(level):
            by, has_ended = here.owner, here.is_undo
            if here.outer is not None:
                here = here.outer
        if not by or here.has_cycle or (name == by and has_ended):
            return
        precedence = self._precedence[here.path]
        if name == by:
            where = "itself" if level == 0 else "the node whose body this is"
            self._report.add(path, "not_before", f"“{name}” is {where}: it has no result yet.")
        elif not precedence.always_precedes(name, by):
            reason = (
                f"a join on the way lets “{by}” start while it may still run"
                if precedence.is_ancestor(name, by)
                else f"add it to what “{by}” needs"
            )
            self._report.add(
                path, "not_before", f"“{name}” does not always end before this is read: {reason}."
            )


def _is_broken_outside(graph: Graph, name: str) -> bool:
    outer = graph.outer
    while outer is not None:
        if name in outer.broken:
            return True
        outer = outer.outer
    return False


def _declared_inputs(schema: Any) -> tuple[str, ...] | None:
    """Names of the inputs, or None when the schema does not say them all."""
    if schema is None:
        return ()
    if not isinstance(schema, Mapping):
        return None
    composed = {
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "patternProperties",
        "dependentSchemas",
    }
    if composed & set(schema) or schema.get("additionalProperties", False) is not False:
        return None
    properties = schema.get("properties", {})
    return tuple(properties) if isinstance(properties, Mapping) else None
