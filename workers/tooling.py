"""The tools of one attempt: finding what the team has, calling it, and what that cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apps.runs.actions.family import end_of_child
from apps.runs.actions.journal import decision_on
from apps.tools import ledger, registry
from apps.tools.calling import SECONDS, call_row, check_arguments
from apps.tools.ledger import Caller
from apps.tools.models import ToolKind, ToolRow
from orchestra.engine.context import Asked
from orchestra.engine.nodes.approval import APPROVED, TITLE_CHARACTERS
from orchestra.engine.nodes.base import Spent
from orchestra.engine.nodes.workflow import ChildFailed
from orchestra.engine.outcome import Done, Outcome, Suspend, Usage, usage_of
from orchestra.engine.status import RunStatus
from orchestra.errors import NodeFailure, ToolRefused
from orchestra.tools.tool import ASK, Tool, digest_of

if TYPE_CHECKING:
    from workers.context import WorkerContext

FIRST_LOOK = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two looks at a child run."""


class Tooling:
    """What one attempt does with tools of its team."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.usage = Usage()
        """What child runs that were called as tools have used."""

    async def find(self, names: Sequence[str]) -> Mapping[str, Tool]:
        """Return the named tools. Raises UnknownTool, ToolNotAllowed."""
        team = self.context.claimed.facts.team
        return await self.context.in_database(lambda: registry.find_tools(team, names))

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        key: str,
        asks: bool,
        before: Callable[[], Awaitable[None]] | None,
    ) -> Any:
        """Call a tool of the team, after a person's yes where its policy or the node wants one.

        Raises Asked, ToolRefused, what `call_row` raises, and what a child run ended with.
        """
        context = self.context
        team = context.claimed.facts.team
        row = await context.in_database(lambda: registry.find_row(team, name))
        if asks or row.policy == ASK:
            check_arguments(row.name, row.schema, arguments)
            await self.check_allowed(name, arguments, key, row)
        if before is not None:
            await before()
        if row.kind == ToolKind.WORKFLOW:
            return await self._run_workflow(row, arguments, key)
        part = f"#{key}" if key else ""
        return await call_row(
            row,
            arguments,
            http=context.http,
            in_database=context.in_database,
            caller=self.caller(),
            key=f"{context.idempotency_key}{part}",
            timeout=context.node.timeout or SECONDS,
        )

    async def check_allowed(
        self, name: str, arguments: Mapping[str, Any], key: str, row: ToolRow | None = None
    ) -> None:
        """Return if a person has allowed this call with these arguments. Raises Asked, ToolRefused."""
        claimed, path = self.context.claimed, self.context.path
        run, round_, digest = claimed.facts.run, claimed.tried_before, digest_of([name, arguments])
        said = await self.context.in_database(lambda: decision_on(run, path, round_, key))
        if said is None or said["digest"] != digest:
            call = {"tool": name, "arguments": dict(arguments), "digest": digest, "key": key, "round": round_}
            title = f"Call {name}?"[:TITLE_CHARACTERS]
            raise Asked({"title": title, "assignees": [], "quorum": 1, "call": call})
        if said["decision"] == APPROVED:
            return
        if row is not None:
            caller = self.caller()
            await self.context.in_database(
                lambda: ledger.note_refusal(row, caller, arguments, ToolRefused.code)
            )
        comment = f": {said['comment']}" if said["comment"] else "."
        raise ToolRefused(f"{said['by'] or 'A person'} has refused the call of {name}{comment}")

    def caller(self) -> Caller:
        """Return on whose behalf this attempt calls."""
        facts = self.context.claimed.facts
        return Caller(facts.run, self.context.path, self.context.attempt, facts.user)

    async def charged(self, work: Awaitable[Outcome]) -> Outcome:
        """Wait for the node's work and add what its child runs have used."""
        try:
            outcome = await work
        except Spent as spent:
            raise Spent(spent.failure, spent.usage + self.usage, spent.details) from spent
        except NodeFailure as error:
            if self.usage == Usage():
                raise
            raise Spent(error, (usage_of(self.context.tally) or Usage()) + self.usage) from error
        if isinstance(outcome, Done | Suspend) and self.usage != Usage():
            return replace(outcome, usage=(outcome.usage or Usage()) + self.usage)
        return outcome

    async def _run_workflow(self, row: ToolRow, arguments: Mapping[str, Any], key: str) -> Any:
        """Run a workflow as a part of this run and return its output. Raises ChildNotStarted, ChildFailed."""
        check_arguments(row.name, row.schema, arguments)
        context = self.context
        workflow = str(row.spec["workflow"])
        started = await context.start_child(workflow, None, arguments, is_part=True, key=key)
        child, pause = str(started["run"]), FIRST_LOOK
        while (end := await context.in_database(lambda: end_of_child(child))) is None:
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)
        self.usage += Usage(**end["usage"])
        if end["status"] == RunStatus.SUCCEEDED:
            return end["output"]
        message = (end["error"] or {}).get("message") or "it was cancelled."
        raise ChildFailed(f"{end['workflow']} #{end['number']} {end['status']}: {message}")
