"""Runs within runs: starting a child for a node, and telling the parent when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.runs.actions.facts import plan_of
from apps.runs.actions.operations import Facts
from apps.runs.actions.start import begin_run
from apps.runs.models import Origin, Run
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.engine.inputs import complete_input
from orchestra.engine.nodes.workflow import MOST_DEPTH, ChildNotStarted
from orchestra.engine.status import FINAL_RUN, RunStatus
from orchestra.errors import InvalidInput, LimitReached


def start_child(
    facts: Facts,
    path: str,
    *,
    workflow: str,
    version: int | None,
    given: Mapping[str, Any],
    is_part: bool,
) -> Run:
    """Start a child of a run for its node at `path`, or return the one that an earlier attempt has started.

    The caller sends for it. Raises ChildNotStarted.
    """
    parent = Run.objects.only("depth", "priority", "started_by_id").get(pk=facts.run)
    earlier: Run | None = Run.objects.filter(parent=parent, parent_path=path, is_awaited=True).first()
    if earlier is not None:
        return earlier
    if parent.depth + 1 > MOST_DEPTH:
        raise ChildNotStarted(f"Runs may be nested {MOST_DEPTH} deep at most; does a workflow call itself?")
    found, chosen = _version(facts.team, workflow, version)
    plan = plan_of(str(chosen.pk))
    try:
        complete = complete_input(plan.inputs, given)
    except InvalidInput as error:
        listed = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems[:5])
        raise ChildNotStarted(f"The input does not fit the inputs of “{workflow}”: {listed}") from None
    run = Run(
        team_id=found.team_id,
        workflow=found,
        version=chosen,
        number=0,
        input=complete,
        priority=parent.priority,
        origin=Origin.PARENT,
        started_by_id=parent.started_by_id,
        parent_id=parent.pk,
        parent_path=path,
        depth=parent.depth + 1,
        is_part=is_part,
        is_awaited=True,
        trace=facts.trace,
    )
    try:
        return begin_run(run, plan, is_sent=False)
    except LimitReached as error:
        raise ChildNotStarted(error.message) from None


def _version(team: str, slug: str, number: int | None) -> tuple[Workflow, WorkflowVersion]:
    workflow = Workflow.objects.filter(team_id=UUID(team), slug=slug).select_related("published").first()
    if workflow is None:
        raise ChildNotStarted(f"There is no workflow “{slug}” in this team.")
    if workflow.archived_at is not None:
        raise ChildNotStarted(f"The workflow “{slug}” is archived.")
    if number is None:
        if workflow.published is None:
            raise ChildNotStarted(f"The workflow “{slug}” has no published version yet.")
        return workflow, workflow.published
    version = workflow.versions.filter(number=number).first()
    if version is None:
        raise ChildNotStarted(f"The workflow “{slug}” has no version {number}.")
    return workflow, version


def child_of(run: str, path: str) -> Mapping[str, Any]:
    """Return how the awaited child of a node has ended, as the kind `workflow` takes it."""
    awaited = Run.objects.filter(parent_id=UUID(run), parent_path=path, is_awaited=True)
    return _end(awaited.select_related("workflow").get())


def end_of_child(run: str) -> Mapping[str, Any] | None:
    """Return how a child that was called as a tool has ended, or None; one that failed is not taken a second time."""
    child = Run.objects.filter(pk=run, status__in=FINAL_RUN).select_related("workflow").first()
    if child is not None and child.status != RunStatus.SUCCEEDED:
        Run.objects.filter(pk=run).update(is_awaited=False)
    return None if child is None else _end(child)


def _end(child: Run) -> Mapping[str, Any]:
    return {
        "run": str(child.pk),
        "workflow": child.workflow.slug,
        "number": child.number,
        "status": child.status,
        "output": child.output,
        "error": child.error,
        "usage": {
            "input_tokens": child.input_tokens,
            "output_tokens": child.output_tokens,
            "cost": float(child.cost),
        },
    }


def own() -> Q:
    """Return the condition for runs whose use of tokens and money is not in the sums of another run already."""
    return Q(is_part=False)
