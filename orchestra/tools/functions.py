"""The registry of Python functions that workflows may call, with JSON Schemas made from their annotations."""

from __future__ import annotations

import importlib
import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from jsonschema import Draft202012Validator

from orchestra.errors import NodeFailure, ToolFailed

F = TypeVar("F", bound=Callable[..., Any])

NAME = re.compile(r"^[a-z][a-z0-9_.]{0,62}$")
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Function:
    """A registered callable: `schema` is the JSON Schema of its arguments, an object."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    call: Callable[..., Any]
    validator: Draft202012Validator
    is_pure: bool = False


_functions: dict[str, Function] = {}


def function(name: str, *, title: str = "", pure: bool = False) -> Callable[[F], F]:
    """Register the decorated callable under a name; its annotated parameters become its schema.

    `pure` promises that it depends on its arguments alone, changes nothing and waits for nothing, so that it may be
    repeated at will: then a worker need not wait for the database before it (see `orchestra.engine.ahead`).
    Raises ValueError for a malformed name or one that another callable holds, TypeError for a parameter
    whose annotation has no JSON form.
    """
    if not NAME.match(name):
        raise ValueError(f"{name!r} is not a function name: lower-case letters, digits, '_' and '.'.")

    def register(target: F) -> F:
        known = _functions.get(name)
        if known is not None and not _is_same(known.call, target):
            raise ValueError(f"The function name {name!r} is already taken by {known.call.__module__}.")
        schema = arguments_schema(target)
        _functions[name] = Function(
            name=name,
            title=title or name.replace("_", " ").replace(".", " ").capitalize(),
            description=(inspect.getdoc(target) or "").partition("\n\n")[0],
            schema=schema,
            call=target,
            validator=Draft202012Validator(schema),
            is_pure=pure,
        )
        return target

    return register


def load(modules: Iterable[str]) -> None:
    """Import the modules that register functions. Raises ImportError."""
    for module in modules:
        importlib.import_module(module)


def registry() -> Mapping[str, Function]:
    """Return every registered function by name, sorted."""
    return dict(sorted(_functions.items()))


def schemas() -> dict[str, Mapping[str, Any]]:
    """Return the JSON Schema of every function's arguments by name: what the compiler checks against."""
    return {name: found.schema for name, found in registry().items()}


def is_known(name: str) -> bool:
    """Say whether a function is registered here."""
    return name in _functions


def is_pure(name: str) -> bool:
    """Say whether a function is registered here and promises to be pure."""
    found = _functions.get(name)
    return found is not None and found.is_pure


def call(name: str, arguments: Mapping[str, Any]) -> Any:
    """Check the arguments, call the function and return what it returns.

    Raises ToolFailed for an unknown name, arguments that do not fit, or an exception of the function (its
    class and message); a NodeFailure passes as it is.
    """
    found = _functions.get(name)
    if found is None:
        raise ToolFailed(
            f"There is no function {name!r}. There are: {', '.join(sorted(_functions)) or 'none'}."
        )
    problems = [_problem(error) for error in found.validator.iter_errors(dict(arguments))]
    if problems:
        raise ToolFailed(f"The arguments of {name} do not fit: {'; '.join(sorted(problems)[:5])}.")
    try:
        return found.call(**arguments)
    except NodeFailure:
        raise
    except Exception as error:
        raise ToolFailed(f"{name} failed: {type(error).__name__}: {str(error)[:500]}") from error


def arguments_schema(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of a callable's parameters. Raises TypeError for those without a JSON form."""
    hints = get_type_hints(target, include_extras=False)
    properties: dict[str, Any] = {}
    required: list[str] = []
    is_open = False
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
            continue
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise TypeError(f"Parameter {parameter.name!r} cannot be given by name.")
        schema = _schema_of(hints.get(parameter.name, Any), parameter.name)
        schema["title"] = parameter.name.replace("_", " ").capitalize()
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            schema["default"] = parameter.default
        properties[parameter.name] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": is_open,
    }


def _schema_of(hint: Any, name: str) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, object):
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _union(arguments, name)
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema_of(arguments[0], name)} if arguments else {})}
    if hint is dict or origin in (dict, Mapping) or hint is Mapping:
        values = _schema_of(arguments[1], name) if arguments else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    raise TypeError(f"The annotation of parameter {name!r} has no JSON form: {hint!r}.")


def _union(arguments: tuple[Any, ...], name: str) -> dict[str, Any]:
    if all(argument in PLAIN for argument in arguments):
        return {"type": [PLAIN[argument] for argument in arguments]}
    return {"anyOf": [_schema_of(argument, name) for argument in arguments]}


def _is_same(known: Callable[..., Any], target: Callable[..., Any]) -> bool:
    """A module that is imported a second time (reload) registers the same function again."""
    return (known.__module__, known.__qualname__) == (target.__module__, target.__qualname__)


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path)
    message = str(error.message)[:200]
    return f"{place}: {message}" if place else message
