"""Reads the operations of an OpenAPI 3 document as tools; follows no reference that leads out of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "put", "post", "delete", "patch")
PLACES = ("path", "query", "header")
MOST_OPERATIONS = 200
MOST_VALUES = 20_000
"""Values of all schemas together once their references are resolved: a few lines can stand for millions."""
DEPTH = 24
LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")
_KEPT_OUT = frozenset({"accept", "content-type", "authorization", "cookie", "host", "idempotency-key"})
"""Header parameters that are not the caller's business."""


class BadDocument(ValueError):
    """The document is not one that tools can be made of; the message says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `spec` is `{method, path, parameters: [{name, in}], body}`, `schema` that of its arguments."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def is_safe(self) -> bool:
        """Whether HTTP promises that it changes nothing (RFC 9110, 9.2.1)."""
        return bool(self.spec["method"] == "GET")


def title_of(document: Mapping[str, Any]) -> str:
    """Return the document's title, or nothing."""
    info = document.get("info")
    return str(info.get("title") or "")[:80] if isinstance(info, Mapping) else ""


def server_of(document: Mapping[str, Any]) -> str:
    """Return the URL of the first server, which may be relative, or nothing."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    return str(first.get("url") or "") if isinstance(first, Mapping) else ""


def read_operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of a document in its order. Raises BadDocument."""
    if not str(document.get("openapi", "")).startswith("3."):
        raise BadDocument("This is not an OpenAPI 3 document: it does not say `openapi: 3.…`.")
    paths = document.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        raise BadDocument("The document has no paths.")
    reader = _Reader(document)
    found: list[Operation] = []
    for path, item in paths.items():
        for method, operation in _methods(item):
            found.append(reader.operation(str(path), method, item, operation, {one.name for one in found}))
            if len(found) > MOST_OPERATIONS:
                raise BadDocument(
                    f"The document has more than {MOST_OPERATIONS} operations; import a part of it."
                )
    if not found:
        raise BadDocument("The document has no operations.")
    return found


def _methods(item: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for method in METHODS:
        operation = item.get(method) if isinstance(item, Mapping) else None
        if isinstance(operation, Mapping):
            yield method, operation


class _Reader:
    """Resolves the references of one document, within a budget."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.left = MOST_VALUES

    def operation(
        self, path: str, method: str, item: Any, operation: Mapping[str, Any], taken: set[str]
    ) -> Operation:
        if not path.startswith("/"):
            raise BadDocument(f"The path {path[:80]!r} does not begin with a slash.")
        parameters = self._parameters(item, operation)
        properties = {str(one["name"]): self._described(one) for one in parameters}
        required = [str(one["name"]) for one in parameters if one.get("required") or one["in"] == "path"]
        body = self._body(operation)
        if body is not None:
            schema, is_required = body
            properties["body"] = schema
            required += ["body"] if is_required else []
        return Operation(
            name=_name(str(operation.get("operationId") or f"{method}{path}"), taken),
            title=str(operation.get("summary") or "")[:200],
            description=str(operation.get("description") or operation.get("summary") or "")[:4000],
            schema={
                "type": "object",
                "properties": properties,
                "required": list(dict.fromkeys(required)),
                "additionalProperties": False,
            },
            spec={
                "method": method.upper(),
                "path": path,
                "parameters": [{"name": str(one["name"]), "in": one["in"]} for one in parameters],
                "body": body is not None,
            },
        )

    def _parameters(self, item: Any, operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the parameters of an operation and its path, those of the operation first; one for each name."""
        found: dict[str, Mapping[str, Any]] = {}
        for given in (*_listed(operation.get("parameters")), *_listed(item.get("parameters"))):
            one = self._resolved(given)
            if not isinstance(one, Mapping) or one.get("in") not in PLACES or not one.get("name"):
                continue
            if one["in"] != "header" or str(one["name"]).lower() not in _KEPT_OUT:
                found.setdefault(str(one["name"]), one)
        return list(found.values())

    def _described(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        schema = self._schema(parameter.get("schema", {}), DEPTH)
        text = str(parameter.get("description") or "")[:1000]
        return {**schema, "description": text} if text else dict(schema)

    def _body(self, operation: Mapping[str, Any]) -> tuple[Any, bool] | None:
        """Return the schema of the JSON body and whether it is required; None when there is no body."""
        body = self._resolved(operation.get("requestBody"))
        content = body.get("content") if isinstance(body, Mapping) else None
        if not isinstance(content, Mapping) or not content:
            return None
        for kind, media in content.items():
            if "json" in str(kind) and isinstance(media, Mapping):
                return self._schema(media.get("schema", {}), DEPTH), bool(body.get("required"))
        kinds = ", ".join(str(kind) for kind in content)[:80]
        raise BadDocument(f"Only JSON bodies are possible; {operation.get('operationId')} takes {kinds}.")

    def _schema(self, value: Any, depth: int) -> Any:
        """Return a schema without references; what is nested deeper than DEPTH, as in a cycle, may be anything."""
        self.left -= 1
        if self.left < 0:
            raise BadDocument("The document's schemas are too large; import a part of it.")
        if depth <= 0:
            return {}
        if isinstance(value, list):
            return [self._schema(one, depth) for one in value]
        if not isinstance(value, Mapping):
            return value
        if "$ref" in value:
            return self._schema(self._resolved(value), depth - 4)
        plain = {key: part for key, part in value.items() if key not in ("example", "examples", "xml")}
        is_nullable = plain.pop("nullable", False) is True and isinstance(plain.get("type"), str)
        found = {str(key): self._schema(part, depth - 1) for key, part in plain.items()}
        return {**found, "type": [found["type"], "null"]} if is_nullable else found

    def _resolved(self, value: Any) -> Any:
        """Return what a value refers to within the document. Raises BadDocument."""
        for _hop in range(8):
            reference = value.get("$ref") if isinstance(value, Mapping) else None
            if reference is None:
                return value
            if not isinstance(reference, str) or not reference.startswith("#/"):
                raise BadDocument(
                    f"References must stay in the document; this does not: {str(reference)[:80]}"
                )
            value = self._at(reference)
        raise BadDocument("The document's references go round in a circle.")

    def _at(self, reference: str) -> Any:
        found: Any = self.document
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise BadDocument(f"The document has nothing at {reference[:80]}.")
            found = found[key]
        return found


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _name(text: str, taken: set[str]) -> str:
    base = _NOT_IN_NAMES.sub("_", text).strip("_")[: LONGEST_NAME - 4] or "call"
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
