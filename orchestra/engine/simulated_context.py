"""The context of an attempt in a simulation: inline kinds touch nothing but the scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra.engine.carrier import SimulationError
from orchestra.engine.context import HttpClient
from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import PlanNode
from orchestra.engine.selection import Placement
from orchestra.llm.client import ModelTarget
from orchestra.llm.spending import Tally
from orchestra.tools.tool import Tool

RUN = {"id": "simulated", "number": 1, "started_at": "2000-01-01T00:00:00Z"}
"""What expressions see as `run`."""


@dataclass(slots=True)
class SimulatedContext:
    """The context of one attempt; inline kinds touch nothing but the scope."""

    node: PlanNode
    path: str
    attempt: int
    scope: Mapping[str, Any]
    items: Sequence[ItemResult] | None
    failures: Sequence[Mapping[str, Any]]
    tally: Tally = field(default_factory=Tally)

    @property
    def http(self) -> HttpClient:
        raise SimulationError("A simulation makes no requests.")

    @property
    def idempotency_key(self) -> str:
        return f"{RUN['id']}/{self.path}"

    async def emit(self, text: str) -> None:
        """Nobody watches."""

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        raise SimulationError("A simulation asks no models.")

    async def place_agent(self, settings: Mapping[str, Any]) -> Placement:
        return Placement(str(settings.get("agent") or ""), is_remote=False)

    async def check_budget(self, spent: float = 0.0) -> None:
        """Nothing costs anything."""

    async def check_assignees(self, assignees: Sequence[str], quorum: int) -> None:
        """Everybody exists."""

    async def start_child(
        self, workflow: str, version: int | None, given: Mapping[str, Any], *, is_part: bool
    ) -> Mapping[str, Any]:
        return {"run": self.path, "number": 1, "workflow": workflow, "input": given}

    async def tools(self, names: Sequence[str]) -> Mapping[str, Tool]:
        raise SimulationError("A simulation has no tools.")

    async def recall(self) -> Mapping[str, Mapping[str, Any]]:
        return {}

    async def remember(self, key: str, entry: Mapping[str, Any]) -> None:
        """Nothing is lost in a simulation."""

    async def call(self, name: str, arguments: Mapping[str, Any], **_more: Any) -> Any:
        raise SimulationError("A simulation calls no functions.")
