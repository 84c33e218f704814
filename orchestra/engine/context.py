"""What a running node may touch: the one protocol between node kinds and the worker that runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import PlanNode
from orchestra.engine.selection import Placement
from orchestra.llm.client import ModelTarget
from orchestra.llm.spending import Tally
from orchestra.tools.tool import Tool


class Postponed(Exception):
    """A limit keeps the attempt from beginning; it is begun again after so many seconds, at no cost to its attempts."""

    def __init__(self, limit: str, seconds: float) -> None:
        super().__init__(limit)
        self.limit = limit
        self.seconds = seconds


class Asked(Exception):
    """A person has to say yes before a tool is called; `question` is what `Suspend.data` of an approval holds."""

    def __init__(self, question: Mapping[str, Any]) -> None:
        super().__init__(str(question.get("title", "")))
        self.question = question


LIMIT = "limit:"
"""Begins what a postponed node run waits for: `limit:requests:main` (limit, connection)."""


class HttpClient(Protocol):
    """The guarded outbound client (`orchestra.net`)."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109  # handed on to the client, which keeps it
    ) -> HttpAnswer: ...


class HttpAnswer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Any: ...


class Context(Protocol):
    """One attempt at one node run.

    `scope` is what expressions see: `inputs`, `vars`, `nodes`, `run`, `env` and, inside bodies, `item` and `index`.
    """

    @property
    def node(self) -> PlanNode: ...
    @property
    def path(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def scope(self) -> Mapping[str, Any]: ...
    @property
    def http(self) -> HttpClient: ...

    @property
    def tally(self) -> Tally:
        """What this attempt has spent on models so far; whoever calls one counts here."""

    @property
    def idempotency_key(self) -> str:
        """`<run id>/<path>`: stable over attempts, sent with every outbound call."""

    @property
    def items(self) -> Sequence[ItemResult] | None:
        """For a map whose items have all settled: how they ended, by index. None on the first call."""

    @property
    def failures(self) -> Sequence[Mapping[str, Any]]:
        """For `item`: the unhandled errors of the body's nodes."""

    async def emit(self, text: str) -> None:
        """Stream a piece of text to whoever watches."""

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        """Resolve `agent`, `connection`, `model`, `fallbacks` to targets, first choice first.

        Raises BadCredentials, ModelRefused (unknown agent or connection, with the names that exist).
        """

    async def place_agent(self, settings: Mapping[str, Any]) -> Placement:
        """Say where the work of `agent` or of what `requires` asks for is done. Raises BadRequirement."""

    async def check_budget(self, spent: float = 0.0) -> None:
        """Return if a paid call may be made after this attempt has spent that much.

        Raises CostLimit when the run's limit is reached.
        """

    async def check_assignees(self, assignees: Sequence[str], quorum: int) -> None:
        """See that those who are to decide exist and are enough. Raises NobodyToDecide."""

    async def start_child(
        self, workflow: str, version: int | None, given: Mapping[str, Any], *, is_part: bool
    ) -> Mapping[str, Any]:
        """Start a child run once, whatever the number of attempts; return `{run, number}`. Raises ChildNotStarted."""

    async def tools(self, names: Sequence[str]) -> Mapping[str, Tool]:
        """Return the named functions and tools of the team, by name. Raises ToolFailed (unknown, not allowed)."""

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        key: str = "",
        asks: bool = False,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        """Call a registered function in a thread, or a tool of the team.

        `key` tells the calls of one node run apart; the same over attempts. `asks`: a person has to say yes, as
        for a tool whose policy says so. `before` is awaited when nothing is in the way any more. Raises Asked,
        ToolRefused, ToolFailed, ToolTimeout, ToolUnavailable.
        """

    async def recall(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what earlier attempts have written down of this node run's steps, by key.

        What somebody retries by hand begins anew.
        """

    async def remember(self, key: str, entry: Mapping[str, Any]) -> None:
        """Write down a step, so that a later attempt need not take it again. Raises Overtaken."""
