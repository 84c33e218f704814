"""The context of one attempt: what a node kind may touch, backed by this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from apps.agents.targets import resolve_targets
from apps.runs.actions.operations import Claimed
from orchestra import net
from orchestra.engine.context import Context
from orchestra.engine.nodes import kind
from orchestra.engine.outcome import ItemResult, Outcome
from orchestra.engine.plan import INLINE, PlanNode
from orchestra.engine.scope import scope_for
from orchestra.llm.client import ModelTarget
from orchestra.tools import functions

if TYPE_CHECKING:
    from workers.runtime import Runtime


class WorkerContext:
    """Implements `orchestra.engine.context.Context` for one claimed node run."""

    def __init__(self, runtime: Runtime, claimed: Claimed) -> None:
        self.runtime = runtime
        self.claimed = claimed
        self.node: PlanNode = claimed.node
        self.path = claimed.path
        self.attempt = claimed.attempt
        self.items: Sequence[ItemResult] | None = claimed.items
        self.failures: Sequence[Mapping[str, Any]] = claimed.failures
        self.input: Any = None
        """The node's settings as rendered for this attempt; kept on the node run."""
        self.scope: Mapping[str, Any] = scope_for(
            claimed.node,
            claimed.results,
            inputs=claimed.input,
            variables=claimed.facts.plan.variables,
            run={
                "id": claimed.facts.run,
                "number": claimed.facts.number,
                "started_at": claimed.facts.created_at,
            },
            env={},
            item=claimed.item,
            index=claimed.index,
        )
        self.has_text = False

    async def run_kind(self, _context: Context, settings: Mapping[str, Any]) -> Outcome:
        """Run the node's kind, keeping the settings as they were rendered."""
        found = kind(self.node.kind)
        if found.queue != INLINE:
            self.input = dict(settings)
        return await found.run(self, settings)

    @property
    def http(self) -> net.Outbound:
        return net.shared(django_settings.ORCHESTRA_ALLOWED_HOSTS_OUT)

    @property
    def idempotency_key(self) -> str:
        return f"{self.claimed.facts.run}/{self.path}"

    async def emit(self, text: str) -> None:
        self.has_text = True
        self.runtime.texts.add(self.claimed.facts.run, self.path, self.attempt, text)

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        team = self.claimed.facts.team
        return await asyncio.wrap_future(self.runtime.recorder.call(lambda: resolve_targets(team, settings)))

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        return await asyncio.to_thread(functions.call, name, arguments)
