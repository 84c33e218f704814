"""What a process remembers of runs and plans: facts that never change, in bounded caches."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from apps.runs import sql
from apps.runs.actions.operations import Facts
from apps.runs.models import Origin, PriorityLevel
from apps.runs.sql import from_json, from_time, str_id
from apps.workflows.models import WorkflowVersion
from orchestra.engine.codec import plan_from_json
from orchestra.engine.plan import Plan

CACHED_INPUT = 16 * 1024
"""Inputs above this many characters are read again for each claim instead of being kept."""

CACHED_RUNS = 20_000

_COLUMNS = (
    "run.id, run.team_id, workflow.slug, run.number, run.version_id, run.priority, run.created_at,"
    " run.started_by_id, run.parent_id, team.slug, run.input, workflow.max_runs, run.origin, run.trace"
)
_FROM = (
    "runs_run run JOIN workflows_workflow workflow ON workflow.id = run.workflow_id"
    " JOIN accounts_team team ON team.id = run.team_id"
)
_READERS: sql.Readers = {0: str_id, 1: str_id, 4: str_id, 6: from_time, 7: str_id, 8: str_id, 10: from_json}


class FactBook:
    """Facts by run; belongs to the one thread that commits."""

    def __init__(self) -> None:
        self._facts: OrderedDict[str, Facts] = OrderedDict()

    def of(self, runs: Iterable[str]) -> dict[str, Facts]:
        """Return the facts of runs by id; a run that does not exist is left out."""
        wanted = set(runs)
        if (query := self.missing(wanted)) is not None:
            self.learn(sql.fetch(*query))
        found = {}
        for run in wanted & self._facts.keys():
            self._facts.move_to_end(run)
            found[run] = self._facts[run]
        while len(self._facts) > CACHED_RUNS:
            self._facts.popitem(last=False)
        return found

    def missing(self, runs: Iterable[str]) -> sql.Query | None:
        """Return what reads the facts of those runs that are not known yet, for `learn`; None: all are known."""
        missing = sorted(set(runs) - self._facts.keys())
        if not missing:
            return None
        where, values = sql.any_of("run.id", missing)
        return f"SELECT {_COLUMNS} FROM {_FROM} WHERE {where}", values, _READERS  # noqa: S608  (constants only)

    def learn(self, found: Iterable[tuple[Any, ...]]) -> None:
        """Take in rows of a query of `missing`."""
        for row in found:
            self._facts[row[0]] = _facts(*row)


def _facts(
    run: str,
    team: str,
    workflow: str,
    number: int,
    version: str,
    priority: int,
    created_at: Any,
    user: str | None,
    parent: str | None,
    team_name: str,
    given: Any,
    max_runs: int | None,
    origin: str,
    trace: str,
) -> Facts:
    return Facts(
        run=run,
        team=team,
        workflow=workflow,
        number=number,
        version=version,
        priority=priority,
        input=given if len(json.dumps(given)) <= CACHED_INPUT else None,
        created_at=created_at.isoformat().replace("+00:00", "Z"),
        plan=plan_of(version),
        user=user or "",
        parent=parent or "",
        team_name=team_name,
        is_limited=max_runs is not None,
        is_interactive=origin == Origin.PORTAL or priority >= PriorityLevel.HIGH,
        trace=trace,
    )


@lru_cache(maxsize=200)
def plan_of(version: str) -> Plan:
    """Return the plan of a workflow version by its id; versions never change."""
    return plan_from_json(WorkflowVersion.every.values_list("plan", flat=True).get(pk=version))
