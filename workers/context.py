"""The context of one attempt: what a node kind may touch, backed by this process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import InterfaceError, OperationalError

from apps.agents.outbound import allowed_out
from apps.agents.placing import place_agent
from apps.agents.targets import resolve_targets
from apps.runs.actions import journal
from apps.runs.actions.assignees import check_assignees
from apps.runs.actions.family import start_child
from apps.runs.actions.operations import Claimed
from orchestra import net
from orchestra.engine.context import Context
from orchestra.engine.nodes import kind
from orchestra.engine.outcome import ItemResult, Outcome
from orchestra.engine.plan import INLINE, PlanNode
from orchestra.engine.scope import scope_for
from orchestra.engine.selection import Placement
from orchestra.llm.client import ModelTarget
from orchestra.llm.spending import Tally
from orchestra.llm.trail import Trail
from orchestra.tools import functions
from orchestra.tools.tool import Tool
from workers.budgets import budgeted
from workers.care import run_with_care
from workers.tooling import Tooling

if TYPE_CHECKING:
    from workers.runtime import Runtime


NAMES_TARGETS = ("agent", "connection", "model", "fallbacks")

DATABASE_PAUSE = 1.0
"""Seconds before a question is put again to a database that is away."""

T = TypeVar("T")


class WorkerContext:
    """Implements `orchestra.engine.context.Context` for one claimed node run."""

    def __init__(self, runtime: Runtime, claimed: Claimed) -> None:
        self.runtime = runtime
        self.claimed = claimed
        self.node: PlanNode = _with_fresh_retries(claimed.node, claimed.tried_before)
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
            loop=claimed.loop,
        )
        self.tally = Tally()
        self.has_text = False
        self.has_called = False
        """A model has been called, so the attempt cannot be begun again for nothing."""
        self.trail = Trail()
        """What the calls to models came to."""
        self.busy_seconds = 0.0
        """Processor time of the function called: what it costs however busy the machine is."""
        self._tooling = Tooling(self)
        self.is_quick = False
        """A call is known to take less than handing it to a thread would be worth."""

    async def run_kind(self, _context: Context, settings: Mapping[str, Any]) -> Outcome:
        """Run the node's kind, keeping the settings as they were rendered."""
        found = kind(self.node.kind)
        if self.items is None and (found.queue != INLINE or found.waits):
            self.input = dict(settings)
        return await self._tooling.charged(run_with_care(self, found, settings))

    @property
    def http(self) -> net.Outbound:
        return net.shared(allowed_out(self.claimed.facts.team_name))

    @property
    def idempotency_key(self) -> str:
        return f"{self.claimed.facts.run}/{self.path}"

    async def emit(self, text: str) -> None:
        self.has_text = True
        self.runtime.texts.add(self.claimed.facts.run, self.path, self.attempt, text)

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        team, user = self.claimed.facts.team, self.claimed.facts.user
        named = {name: settings.get(name) for name in NAMES_TARGETS}
        key = json.dumps([team, user, named], sort_keys=True, default=str)
        found = await self.in_database(lambda: resolve_targets(team, named, user=user), key, _are_for_all)
        return await budgeted(found, settings, self)

    async def place_agent(self, settings: Mapping[str, Any]) -> Placement:
        if not settings.get("agent") and not settings.get("requires"):
            return Placement("", is_remote=False)
        team = self.claimed.facts.team
        found: Placement = await self.in_database(lambda: place_agent(team, settings))
        return found

    async def check_budget(self, spent: float = 0.0) -> None:
        await self.runtime.purse.check(self)

    async def check_assignees(self, assignees: Sequence[str], quorum: int) -> None:
        team = self.claimed.facts.team
        await self.in_database(lambda: check_assignees(team, assignees, quorum))

    async def start_child(
        self,
        workflow: str,
        version: int | None,
        given: Mapping[str, Any],
        *,
        is_part: bool,
        key: str = "",
    ) -> Mapping[str, Any]:
        facts, path = self.claimed.facts, f"{self.path}~{key}" if key else self.path
        child = await self.in_database(
            lambda: start_child(facts, path, workflow=workflow, version=version, given=given, is_part=is_part)
        )
        self.runtime.sender.advance(str(child.pk), child.priority)
        return {"run": str(child.pk), "number": child.number}

    async def in_database(
        self, work: Callable[[], T], key: str = "", is_for_all: Callable[[T], bool] = lambda _answer: True
    ) -> T:
        """Do work that may be repeated, trying for as long as the database is away.

        What is asked under one `key` before the work begins gets the same answer, where that is for all.
        """
        while True:
            try:
                found: T = await self.runtime.in_database(work, key, is_for_all)
            except (OperationalError, InterfaceError):
                await asyncio.sleep(DATABASE_PAUSE)
            else:
                return found

    async def tools(self, names: Sequence[str]) -> Mapping[str, Tool]:
        return await self._tooling.find(names)

    async def recall(self) -> Mapping[str, Mapping[str, Any]]:
        claimed = self.claimed
        if claimed.fence <= 1:
            return {}
        run, round_ = claimed.facts.run, claimed.tried_before
        return await self.in_database(lambda: journal.recall(run, self.path, round_))

    async def remember(self, key: str, entry: Mapping[str, Any]) -> None:
        claimed = self.claimed
        run, round_ = claimed.facts.run, claimed.tried_before
        await self.in_database(lambda: journal.remember(run, self.path, round_, claimed.fence, key, entry))

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        key: str = "",
        asks: bool = False,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        if not functions.is_known(name):
            return await self._tooling.call(name, arguments, key, asks, before)
        if asks:
            await self._tooling.check_allowed(name, arguments, key)
        if before is not None:
            await before()
        if self.is_quick:
            return self._call(name, arguments)
        return await asyncio.to_thread(self._call, name, arguments)

    def _call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        began = time.thread_time()
        try:
            return functions.call(name, arguments)
        finally:
            self.busy_seconds += time.thread_time() - began


def _are_for_all(targets: Sequence[ModelTarget]) -> bool:
    """Say whether these targets are not spread over places: then each call has its own turn."""
    return not any(target.places for target in targets)


def _with_fresh_retries(node: PlanNode, tried_before: int) -> PlanNode:
    """Return the node with as many retries as its policy gives after the attempts that somebody has made good."""
    if not tried_before:
        return node
    return replace(node, retry=replace(node.retry, max=node.retry.max + tried_before))
