"""What pages of workflows show of their runs: `{% load run_tags %}`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import template
from django.db.models import F

from apps.runs.hints import translated
from apps.runs.models import Run
from apps.workflows.models import Workflow
from orchestra.engine.status import RunStatus

register = template.Library()

RECENT = 20


@dataclass
class Record:
    """How a workflow's last runs went: the newest status, and how many of those that ended succeeded."""

    run: Run | None = None
    ended: int = 0
    succeeded: int = 0

    @property
    def rate(self) -> int | None:
        """Percent, or None before any run has ended."""
        return round(100 * self.succeeded / self.ended) if self.ended else None


@register.simple_tag
def run_records(workflows: Iterable[Workflow]) -> dict[Any, Record]:
    """Return the record of the last 20 runs of each workflow, by its id, in one statement."""
    ids = [workflow.pk for workflow in workflows]
    records = {pk: Record() for pk in ids}
    recent = Run.objects.filter(workflow__in=ids, number__gt=F("workflow__run_count") - RECENT)
    for run in recent.order_by("-number").only("id", "workflow_id", "number", "status", "created_at"):
        record = records[run.workflow_id]
        record.run = record.run or run
        record.ended += run.status in (RunStatus.SUCCEEDED, RunStatus.FAILED)
        record.succeeded += run.status == RunStatus.SUCCEEDED
    return records


@register.simple_tag
def latest_runs(workflow: Workflow, count: int = 8) -> list[Run]:
    """Return the newest runs of a workflow."""
    found = workflow.runs.select_related("workflow", "started_by", "version")
    return list(
        found.defer("input", "output", "error", "version__plan", "version__definition").order_by("-id")[
            :count
        ]
    )


@register.filter
def hint(text: str) -> str:
    """Return what to do about a failure, in the reader's language."""
    return translated(text)


@register.filter
def at(values: Any, key: Any) -> Any:
    """Return what a mapping holds under a key, or None."""
    return values.get(key) if hasattr(values, "get") else None


@register.filter(name="json")
def as_json(value: Any) -> str:
    """Return a value as compact JSON, for a data attribute."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
