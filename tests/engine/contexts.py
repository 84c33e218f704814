"""A context for attempts in tests: records what a kind does with the world, answers as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra.engine.context import Asked
from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import Join, PlanNode, Retry
from orchestra.engine.selection import Placement
from orchestra.errors import CostLimit, ModelUnavailable
from orchestra.llm.client import Chunk, Finish, ModelRequest, ModelTarget, TextDelta, ToolCall
from orchestra.llm.spending import Tally
from orchestra.tools import functions
from orchestra.tools.tool import Tool


def plan_node(kind: str, settings: Mapping[str, Any], **more: Any) -> PlanNode:
    fields: dict[str, Any] = {
        "id": "n",
        "kind": kind,
        "title": "n",
        "queue": "io",
        "settings": settings,
        "when": None,
        "join": Join(),
        "needs": (),
        "retry": Retry(max=2, base=1, jitter=False),
        "timeout": None,
        "on_error": "fail",
        "priority": None,
        "reads": (),
        "segment": 0,
    }
    return PlanNode(**{**fields, **more})


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass
class Http:
    answer: Answer
    requests: list[dict[str, Any]] = field(default_factory=list)

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.requests.append({"method": method, "url": url, **more})
        return self.answer


@dataclass
class Model:
    """A model client that says the same texts every time, one per call."""

    texts: list[str]
    error: Exception | None = None
    requests: list[ModelRequest] = field(default_factory=list)
    error_at: int = 0
    calls: Sequence[Sequence[ToolCall]] = ()
    """Calls that it asks for, by turn."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        text = self.texts[min(len(self.requests), len(self.texts)) - 1]
        calls = self.calls[len(self.requests) - 1] if len(self.requests) <= len(self.calls) else ()
        yield TextDelta(text)
        if self.error_at == len(self.requests):
            raise ModelUnavailable("Gone.")
        if self.error is not None:
            raise self.error
        yield Finish("tool_calls" if calls else "stop", 10, 5, tool_calls=tuple(calls))


@dataclass
class FakeContext:
    node: PlanNode
    scope: Mapping[str, Any] = field(default_factory=dict)
    path: str = "n"
    attempt: int = 1
    items: Sequence[ItemResult] | None = None
    failures: Sequence[Mapping[str, Any]] = ()
    http: Http = field(default_factory=lambda: Http(Answer()))
    model: Model = field(default_factory=lambda: Model(["Hello"]))
    function: Callable[[str, Mapping[str, Any]], Any] = lambda name, arguments: arguments
    emitted: list[str] = field(default_factory=list)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    budget: float | None = None
    placement: Placement | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the agent brings along."""
    is_safe: bool = True
    keys: list[str] = field(default_factory=list)
    journal: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    @property
    def idempotency_key(self) -> str:
        return f"run/{self.path}"

    async def emit(self, text: str) -> None:
        self.emitted.append(text)

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        self.asked.append(settings)
        system, prices = "You are brief.", (1.0, 2.0)
        return [ModelTarget(self.model, "m1", "main", system=system, options=self.options, prices=prices)]

    async def place_agent(self, settings: Mapping[str, Any]) -> Placement:
        return self.placement or Placement(str(settings.get("agent") or ""), is_remote=False)

    async def check_budget(self, spent: float = 0.0) -> None:
        if self.budget is not None and spent >= self.budget:
            raise CostLimit("The run's limit is reached.")

    async def check_assignees(self, assignees: Sequence[str], quorum: int) -> None:
        self.asked.append({"assignees": assignees, "quorum": quorum})

    async def start_child(
        self, workflow: str, version: int | None, given: Mapping[str, Any], *, is_part: bool
    ) -> Mapping[str, Any]:
        self.asked.append({"workflow": workflow, "version": version, "input": given, "is_part": is_part})
        return {"run": "c1", "number": 7}

    async def tools(self, names: Sequence[str]) -> Mapping[str, Tool]:
        known = functions.registry()
        return {
            name: Tool(name, name, known[name].description, known[name].schema, is_safe=self.is_safe)
            for name in names
        }

    async def recall(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(self.journal)

    async def remember(self, key: str, entry: Mapping[str, Any]) -> None:
        self.journal[key] = entry

    async def call(self, name: str, arguments: Mapping[str, Any], *, key: str = "", **how: Any) -> Any:
        if how.get("asks"):
            raise Asked({"title": name, "call": {"arguments": arguments}})
        self.keys.append(key)
        return self.function(name, arguments)


def context(
    kind: str, settings: Mapping[str, Any], scope: Mapping[str, Any] | None = None, **more: Any
) -> FakeContext:
    """Return a context for a node; keywords that a PlanNode has go to the node, the others to the context."""
    of_node = {name: value for name, value in more.items() if name in PlanNode.__dataclass_fields__}
    rest = {name: value for name, value in more.items() if name not in of_node}
    return FakeContext(plan_node(kind, settings, **of_node), scope or {}, **rest)
