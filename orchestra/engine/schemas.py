"""JSON Schema checks that end in problems people can act on, whatever schema and value they are given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from orchestra.engine.schema import ID_PATTERN, NEED_PATTERN, ONE_HOLE_PATTERN
from orchestra.engine.schema_check import find_flaws
from orchestra.errors import Problem

_MOST = 50
_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_FORMS = {
    ID_PATTERN: "must be lower-case letters, digits and _, begin with a letter and have at most 63 characters",
    NEED_PATTERN: "must be the id of a node, or `node.port`",
    ONE_HOLE_PATTERN: "is not an expression {{ … }}",
}


def prepared(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a checker of a schema of our own that `find_value_problems` takes in its place, to be kept and reused."""
    return Draft202012Validator(schema)


def find_value_problems(
    schema: Mapping[str, Any] | Draft202012Validator, value: Any, path: str = ""
) -> list[Problem]:
    """Return where a value does not fit a JSON Schema, at most 50 problems; the schema may be anybody's."""
    try:
        checker = schema if isinstance(schema, Draft202012Validator) else _validator(json.dumps(schema))
        errors = _first(checker.iter_errors(value))
        return [problem for error in errors for problem in _problems(error, path)]
    except (RecursionError, Unresolvable, SchemaError):
        return [Problem(path, "bad_schema", "The schema refers to something that cannot be resolved.")]
    except Exception as error:  # patterns and references of a foreign schema can raise nearly anything
        return [Problem(path, "bad_schema", f"The schema cannot be used: {type(error).__name__}.")]


def find_schema_problems(schema: Any, path: str) -> list[Problem]:
    """Return what keeps a value from being a usable JSON Schema 2020-12 without references to elsewhere."""
    if not isinstance(schema, Mapping):
        return [Problem(path, "bad_schema", "A JSON Schema is an object here.")]
    return [Problem(where, "bad_schema", flaw) for where, flaw in islice(find_flaws(schema, path), _MOST)]


def place(path: str, steps: Iterable[str | int]) -> str:
    """Return a path extended by keys and indexes: `nodes.a` and `needs`, 0 give `nodes.a.needs[0]`."""
    for step in steps:
        before = f"{path}." if path else ""
        path = f"{path}[{step}]" if isinstance(step, int) else f"{before}{step}"
    return path


def suggestion(name: str, known: Iterable[str], shape: str = "“{}”") -> str:
    """Return ` Did you mean “…”?` or nothing."""
    close = get_close_matches(name[:80], list(known)[:500], n=1, cutoff=0.6)
    return f" Did you mean {shape.format(close[0])}?" if close else ""


def _first(errors: Iterator[ValidationError], most: int = _MOST) -> list[ValidationError]:
    found = []
    for error in errors:
        found.append(error)
        if len(found) >= most:
            break
    return sorted(found, key=lambda error: [str(step) for step in error.absolute_path])


@lru_cache(maxsize=256)
def _validator(text: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(text))


def _problems(error: ValidationError, path: str) -> Iterator[Problem]:
    where = place(path, error.absolute_path)
    instance: Any = error.instance
    limit: Any = error.validator_value
    if error.validator == "required":
        for name in limit:
            if name not in instance and f"'{name}'" in error.message:
                yield Problem(place(where, [name]), "missing", f"“{name}” is missing.")
    elif error.validator == "additionalProperties" and limit is False:
        schema: Any = error.schema
        known = list(schema.get("properties", {}))
        patterns = tuple(schema.get("patternProperties", {}))
        for name in instance:
            if name not in known and not any(re.search(pattern, name) for pattern in patterns):
                yield Problem(place(where, [name]), "unknown_field", _unknown(name, known))
    else:
        yield Problem(where, _code(error), _message(error))


def _unknown(name: str, known: list[str]) -> str:
    listed = ", ".join(known[:20])
    return f"There is no field “{name[:80]}” here.{suggestion(name, known)} Known: {listed or 'none'}."


def _code(error: ValidationError) -> str:
    if error.validator == "type":
        return "bad_type"
    return "bad_id" if "propertyNames" in error.absolute_schema_path else "bad_value"


def _message(error: ValidationError) -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            return f"This must be {' or '.join(_TYPES.get(kind, kind) for kind in kinds)}."
        case "enum":
            return f"This must be one of: {', '.join(str(value) for value in limit[:20])}."
        case "const":
            return f"This must be {json.dumps(limit)}."
        case "pattern":
            form = _FORMS.get(limit, f"does not match {limit}")
            return f"“{_short(error.instance)}” {form}."
        case "minProperties" | "minItems" | "minLength":
            return f"At least {limit} expected."
        case "maxProperties" | "maxItems" | "maxLength":
            return f"At most {limit} allowed."
        case "anyOf" | "oneOf":
            return _alternatives(error)
    return f"{error.message[:300]}."


def _alternatives(error: ValidationError) -> str:
    """Say what the alternatives want, where each wants one thing."""
    options: Any = error.validator_value
    if all(isinstance(option, Mapping) and set(option) == {"required"} for option in options):
        names = (" and ".join(f"“{name}”" for name in option["required"]) for option in options)
        return f"One of these is needed: {', '.join(names)}."
    reasons = list(dict.fromkeys(_message(inner).rstrip(".") for inner in (error.context or ())[:6]))
    lowered = [reason[:1].lower() + reason[1:] for reason in reasons[1:]]
    return f"{'; or '.join([*reasons[:1], *lowered])}." if reasons else "No alternative fits."


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
