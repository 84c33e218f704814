"""What a team offers over MCP, and the runs that its calls start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.runs.actions.control import cancel_run
from apps.runs.actions.start import start_run
from apps.runs.mcp.guests import Guest
from apps.runs.models import Origin, Run
from apps.tools.models import ToolKind, ToolRow
from apps.workflows.models import Workflow
from orchestra.engine.status import FINAL_RUN, RunStatus
from orchestra.errors import InvalidInput, Problem

DEDUP_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as other agents see it."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands."""

    run: str
    number: int
    workflow: str
    status: str
    done: int
    total: int
    output: Any
    error: Mapping[str, Any] | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_RUN

    @property
    def is_failed(self) -> bool:
        return self.is_final and self.status != RunStatus.SUCCEEDED

    def as_json(self) -> dict[str, Any]:
        """The shape that `get_run` answers with."""
        found = {"run": self.run, "number": self.number, "workflow": self.workflow, "status": self.status}
        found |= {"nodes": {"done": self.done, "total": self.total}, "output": self.output}
        return {**found, "error": self.error, "url": f"/runs/{self.run}/"}


def tools_for(guest: Guest) -> list[Offered]:
    """Return the tools that the guest's team offers: workflows with a published version, opted in."""
    rows = list(_rows(guest))
    workflows = _workflows(guest, {str(row.spec["workflow"]) for row in rows})
    found = []
    for row in rows:
        workflow = workflows.get(str(row.spec["workflow"]))
        if workflow is not None and workflow.published is not None:
            inputs = workflow.published.definition.get("inputs") or {}
            description = row.description or workflow.description
            schema = {"type": "object", **inputs}
            found.append(Offered(row.name, row.title or workflow.name, description, schema))
    return found


def start(guest: Guest, name: str, arguments: Mapping[str, Any], key: str) -> Standing:
    """Start the run of a tool and return how it stands; with `key`, the one that an earlier call has started.

    Raises NotPermitted, InvalidInput (no such tool, arguments), Conflict, LimitReached.
    """
    row = _rows(guest).filter(name=name).first()
    workflow = _workflows(guest, {str(row.spec["workflow"])}).popitem()[1] if row is not None else None
    if row is None or workflow is None:
        message = f"There is no tool {name[:80]!r} here."
        raise InvalidInput(problems=[Problem("name", "unknown_tool", message)])
    run = start_run(
        workflow=workflow,
        input=arguments,
        by=guest.user,
        origin=Origin.API,
        tags=["mcp"],
        dedup_key=f"mcp:{key}"[:200] if key else "",
        dedup_seconds=DEDUP_SECONDS if key else 0,
    )
    return _standing(run, workflow.slug)


def standing(guest: Guest, run: str) -> Standing:
    """Return how a run of the guest's team stands. Raises InvalidInput (no such run)."""
    found = _run(guest, run)
    return _standing(found, found.workflow.slug)


def cancel(guest: Guest, run: str) -> Standing:
    """Cancel a run. Raises NotPermitted, InvalidInput, Conflict (it has ended)."""
    found = _run(guest, run)
    cancel_run(run=found, by=guest.user)
    return standing(guest, run)


def _run(guest: Guest, run: str) -> Run:
    visible = Run.objects.visible_to(guest.user).filter(team=guest.team).select_related("workflow")
    try:
        found: Run | None = visible.filter(pk=UUID(run)).first()
    except ValueError:
        found = None
    if found is None:
        raise InvalidInput(problems=[Problem("run", "unknown", "There is no such run.")])
    return found


def _standing(run: Run, workflow: str) -> Standing:
    return Standing(
        str(run.pk), run.number, workflow, run.status, run.nodes_done, run.nodes_total, run.output, run.error
    )


def _rows(guest: Guest) -> Any:
    mine = ToolRow.objects.visible_to(guest.user).filter(team=guest.team, kind=ToolKind.WORKFLOW)
    return mine.filter(is_served=True).usable()


def _workflows(guest: Guest, slugs: set[str]) -> dict[str, Workflow]:
    mine = Workflow.objects.visible_to(guest.user).filter(team=guest.team, archived_at=None, slug__in=slugs)
    return {workflow.slug: workflow for workflow in mine.select_related("published")}
