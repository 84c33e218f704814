"""`control`: cancel, pause, resume or retry runs from the command line."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from apps.portal.management.starting import find_starter
from apps.runs.actions.bulk import BULK_ACTIONS, MOST_RUNS, BulkAnswer, act_on_runs
from apps.runs.models import Run


class Command(BaseCommand):
    help = (
        "Cancel, pause, resume or retry runs, each for itself, with a line for each: "
        "exit 0 when it was done to all of them, 1 when some could not, 2 when one does not exist."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=sorted(BULK_ACTIONS))
        parser.add_argument("run", nargs="+", help="id of a run, or workflow#number, such as brief#12")
        parser.add_argument("--team", metavar="TEAM", help="short name of the team that owns the workflow")
        parser.add_argument("--user", metavar="NAME", help="in whose name (default: the team's first owner)")
        parser.add_argument("--json", action="store_true", help="print one JSON object a run")

    def handle(self, *args: Any, **options: Any) -> None:
        runs = [_find(key, options["team"]) for key in options["run"]]
        if len(runs) > MOST_RUNS:
            raise CommandError(f"At most {MOST_RUNS} runs at once.", returncode=2)
        answers = [answer for run in runs for answer in self._act(run, options)]
        for answer in answers:
            self.stdout.write(_as_json(answer) if options["json"] else _as_line(answer))
        if any(answer.error for answer in answers):
            sys.exit(1)

    def _act(self, run: Run, options: dict[str, Any]) -> Sequence[BulkAnswer]:
        by = find_starter(run.workflow, options["user"])
        return act_on_runs(action=options["action"], runs=[run], by=by)


def _find(key: str, team: str | None) -> Run:
    """Return a run by its id or `workflow#number`. Raises CommandError (exit code 2)."""
    rows = Run.objects.select_related("workflow", "workflow__team")
    if team:
        rows = rows.filter(team__slug=team)
    slug, mark, number = key.rpartition("#")
    try:
        rows = rows.filter(workflow__slug=slug, number=int(number)) if mark else rows.filter(pk=UUID(key))
    except ValueError:
        raise CommandError(f"{key!r} is neither the id of a run nor workflow#number.", returncode=2) from None
    found: list[Run] = list(rows[:2])
    if len(found) > 1:
        raise CommandError(f"Several teams have a run {key}; add --team.", returncode=2)
    if not found:
        raise CommandError(f"There is no run {key}.", returncode=2)
    return found[0]


def _as_line(answer: BulkAnswer) -> str:
    run = answer.run
    end = f"{run.status}: {answer.error.message}" if answer.error else run.status
    return f"{run.workflow.slug}#{run.number} is {end}"


def _as_json(answer: BulkAnswer) -> str:
    body = {"id": str(answer.run.pk), "workflow": answer.run.workflow.slug, "number": answer.run.number}
    error = answer.error.code if answer.error else None
    return json.dumps({**body, "status": answer.run.status, "error": error})
