"""What a node kind is: settings, ports, queue, and what one attempt does. A kind is one file and one registry line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.outcome import Done, Outcome, Usage
from orchestra.engine.plan import ERROR, INLINE, OUT
from orchestra.engine.schema import ONE_HOLE_PATTERN
from orchestra.errors import NodeFailure, Problem, ToolTimeout, Transient

Settings = Mapping[str, Any]


class Spent(Exception):
    """A failure that has cost tokens or money nevertheless."""

    def __init__(self, failure: NodeFailure, usage: Usage, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.usage = usage
        self.details = details or {}
        """What else the error on the node run says."""


async def _not_available(context: Context, settings: Settings) -> Outcome:
    raise NodeFailure(f"The kind {context.node.kind} is not available yet.")


def _never_due(settings: Settings) -> Done:
    raise NotImplementedError("A node of this kind has no time by which it ends.")


def _no_ports(settings: Settings) -> tuple[str, ...]:
    return ()


def _no_texts(settings: Settings) -> Iterable[tuple[str, str]]:
    return ()


def _no_problems(settings: Settings, path: str) -> Iterable[Problem]:
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of node. All callables are pure except `run`; settings they are given fit `schema`."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of the settings as written: good enough to make a form from."""
    queue: str = INLINE
    run: Callable[[Context, Settings], Awaitable[Outcome]] = _not_available
    """One attempt: gets the settings with every expression evaluated, except those in `raw`.

    Returns an outcome or raises NodeFailure. Every `Done` contains the port `out`.
    """
    ports: Callable[[Settings], tuple[str, ...]] = _no_ports
    """Ports besides `out` and `error`."""
    is_exclusive: Callable[[Settings], bool] = bool
    """Whether at most one of `ports` is taken."""
    raw: frozenset[str] = frozenset()
    """Settings that hold no expressions, or whose expressions the kind evaluates itself."""
    conditions: Callable[[Settings], Iterable[tuple[str, str]]] = _no_texts
    """Bare expressions in the settings, as (path below `settings`, expression)."""
    find_problems: Callable[[Settings, str], Iterable[Problem]] = _no_problems
    """What the schema cannot say; the second argument is the path of the settings."""
    fields: tuple[str, ...] = ()
    """Keys of the output, where they are always the same; empty: any JSON."""
    late: tuple[str, ...] = ()
    """Settings of the format that this release does not have yet."""
    timeout_error: type[Transient] = ToolTimeout
    is_available: bool = True
    runs: bool = True
    """False: a remark, left out of the plan."""
    calls: str = ""
    """The setting that names registered functions: one, called with `arguments`, or a list to choose from."""
    takes_tools: bool = False
    """Whether `calls` may name tools of the team too."""
    keeps_time: bool = False
    """Whether `run` ends by itself at the node's timeout, to say what it has spent until then."""
    is_pure: bool = False
    """Its work depends on its settings alone and changes nothing: it may be repeated at will."""
    acts: bool = False
    """Whether an attempt does something outside that `effect: once` can keep from happening twice."""
    has_body: bool = False
    """Whether the node opens scopes; its result then comes later than its attempt."""
    body_of: Callable[[Settings], Any] = lambda settings: settings.get("body")
    """The body of a node of this kind, as a definition would write it."""
    body_names: tuple[str, ...] = ()
    """Names that expressions of the body see beside those that all see; a kind's `conditions` may read them too."""
    waits: bool = False
    """Whether an attempt may end in `Suspend`; the result then comes later too."""
    on_due: Callable[[Settings], Done] = _never_due
    """What a waiting node ends in when its time has come; gets the settings as written."""

    @property
    def works(self) -> bool:
        """Whether an attempt does work of its own on a worker and ends with it: no control flow, no waiting."""
        return self.queue != INLINE and not self.ends_unit

    @property
    def ends_unit(self) -> bool:
        """Whether nothing can follow the node in the message that ran it: its end comes from elsewhere."""
        return self.has_body or self.waits

    def all_ports(self, settings: Settings) -> tuple[str, ...]:
        """Every port an edge may leave from, in the order people see."""
        return (OUT, *dict.fromkeys(self.ports(settings)), ERROR)


def object_schema(properties: Mapping[str, Any], required: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """Return the schema of a settings object with these properties and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": dict(properties),
        **more,
    }


def text_field(title: str, description: str = "", **more: Any) -> dict[str, Any]:
    found = {"type": "string", "title": title, **more}
    return {**found, "description": description} if description else found


def expression_or(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that takes a constant or a text that is one hole."""
    outer = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [inner, {"type": "string", "pattern": ONE_HOLE_PATTERN}]}
