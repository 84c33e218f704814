"""What a worker process remembers of runs and plans: facts that never change, in bounded caches."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from apps.runs.actions.operations import Facts
from apps.runs.models import Run
from apps.workflows.models import WorkflowVersion
from orchestra.engine.codec import plan_from_json
from orchestra.engine.plan import Plan

CACHED_INPUT = 16 * 1024
"""Inputs above this many characters are read again for each claim instead of being kept."""

V = TypeVar("V")


class Recent(Generic[V]):
    """The most recently used values, up to `size`; one thread only."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self.size:
            self._values.popitem(last=False)


class FactBook:
    """Facts by run and plans by version; belongs to the one thread that commits."""

    def __init__(self) -> None:
        self._facts: Recent[Facts] = Recent(20_000)
        self._plans: Recent[Plan] = Recent(200)

    def of(self, runs: Iterable[str]) -> dict[str, Facts]:
        """Return the facts of runs by id; a run that does not exist is left out."""
        wanted = set(runs)
        found = {run: facts for run in wanted if (facts := self._facts.get(run)) is not None}
        missing = wanted - found.keys()
        if missing:
            for facts in self._load(missing):
                self._facts.put(facts.run, facts)
                found[facts.run] = facts
        return found

    def _load(self, runs: Iterable[str]) -> list[Facts]:
        found = Run.objects.filter(id__in=list(runs)).values_list(
            "id",
            "team_id",
            "workflow__slug",
            "number",
            "version_id",
            "priority",
            "input",
            "created_at",
            "started_by_id",
        )
        return [
            Facts(
                run=str(run),
                team=str(team),
                workflow=slug,
                number=number,
                version=str(version),
                priority=priority,
                input=given if len(json.dumps(given)) <= CACHED_INPUT else None,
                created_at=created_at.isoformat().replace("+00:00", "Z"),
                plan=self.plan(str(version)),
                user=str(user or ""),
            )
            for run, team, slug, number, version, priority, given, created_at, user in found
        ]

    def plan(self, version: str) -> Plan:
        plan = self._plans.get(version)
        if plan is None:
            plan = plan_from_json(WorkflowVersion.objects.values_list("plan", flat=True).get(pk=version))
            self._plans.put(version, plan)
        return plan


def inputs_of(runs: Iterable[str]) -> dict[str, Any]:
    """Return the inputs of runs by id, read anew."""
    return {
        str(run): given for run, given in Run.objects.filter(id__in=list(runs)).values_list("id", "input")
    }
