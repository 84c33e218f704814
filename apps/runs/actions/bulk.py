"""One action on many runs: each for itself, with an answer for each, never more than a page of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.runs.actions.control import cancel_run
from apps.runs.actions.pause import pause_run, resume_run
from apps.runs.actions.retry import retry_run
from apps.runs.models import Run
from orchestra.engine.status import RunStatus
from orchestra.errors import OrchestraError

MOST_RUNS = 200
"""On how many runs one call acts; a filter that fits more is repeated until nothing is left."""


@dataclass(frozen=True, slots=True)
class BulkAction:
    """Something that can be done to many runs; `fits` are the statuses of runs that it can be done to."""

    act: Callable[..., Run]
    fits: frozenset[RunStatus]


_OPEN = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})
BULK_ACTIONS: Mapping[str, BulkAction] = {
    "cancel": BulkAction(cancel_run, _OPEN | {RunStatus.PAUSED}),
    "pause": BulkAction(pause_run, _OPEN),
    "resume": BulkAction(resume_run, frozenset({RunStatus.PAUSED})),
    "retry": BulkAction(retry_run, frozenset({RunStatus.FAILED, RunStatus.CANCELLED})),
}


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """What came of one run: its status afterwards, and why nothing was done to it where that is so."""

    run: Run
    error: OrchestraError | None = None


def act_on_runs(*, action: str, runs: Iterable[Run], by: User) -> list[BulkAnswer]:
    """Do one of `BULK_ACTIONS` to at most `MOST_RUNS` runs, in this order; return an answer for each.

    Each is a transaction of its own: what cannot be done to one keeps nothing from the others.
    """
    chosen: Any = BULK_ACTIONS[action]
    answers = []
    for run in list(runs)[:MOST_RUNS]:
        try:
            chosen.act(run=run, by=by)
        except OrchestraError as error:
            answers.append(BulkAnswer(run, error))
        else:
            answers.append(BulkAnswer(run))
    return answers
