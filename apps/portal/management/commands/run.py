"""`run`: start a run of a workflow and, if wanted, follow it to its end."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rest_framework.renderers import JSONRenderer
from rich.console import Console

from apps.portal.follow import follow, show_result
from apps.portal.management.definitions import read_source
from apps.portal.management.starting import find_starter, find_workflow, input_from
from apps.runs import actions
from apps.runs.api import detail_of
from apps.runs.models import Origin, PriorityLevel, Run
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.engine.status import RunStatus
from orchestra.errors import OrchestraError, Unavailable

INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Start a run of a workflow. With --follow, show a bar per node until it ends: "
        "exit 0 when it succeeded, 1 when it failed, 130 when interrupted (the run goes on)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", help="short name or id of the workflow")
        parser.add_argument(
            "--input",
            metavar="FILE",
            help="a JSON object, or text for the workflow's one text input; - for standard input",
        )
        parser.add_argument("--follow", action="store_true", help="show its progress until it has ended")
        parser.add_argument("--json", action="store_true", help="print the run as one JSON object")
        parser.add_argument("--team", metavar="TEAM", help="short name of the team that owns the workflow")
        parser.add_argument("--user", metavar="NAME", help="in whose name (default: the team's first owner)")
        parser.add_argument(
            "--run-version", type=int, metavar="N", help="version to run (default: the published one)"
        )
        parser.add_argument(
            "--priority", type=int, choices=PriorityLevel.values, default=PriorityLevel.NORMAL
        )
        parser.add_argument("--tag", action="append", default=[], help="a tag for the run; may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = find_workflow(options["workflow"], options["team"])
        run = self._start(workflow, options)
        if options["follow"]:
            self._follow(run, is_json=options["json"])
        elif options["json"]:
            self._print_json(run)
        else:
            self.stdout.write(f"Run {run.number} of {workflow.slug} is queued: /runs/{run.pk}/")

    def _start(self, workflow: Workflow, options: dict[str, Any]) -> Run:
        version = self._version(workflow, options["run_version"])
        text = read_source(options["input"]) if options["input"] else None
        inputs = version.definition.get("inputs") or {}
        try:
            return actions.start_run(
                workflow=workflow,
                version=version,
                input=input_from(text, inputs),
                priority=options["priority"],
                tags=options["tag"],
                origin=Origin.COMMAND,
                by=find_starter(workflow, options["user"]),
            )
        except OrchestraError as error:
            lines = [error.message, *(f"  {problem.path}: {problem.message}" for problem in error.problems)]
            raise CommandError(
                "\n".join(lines), returncode=1 if isinstance(error, Unavailable) else 2
            ) from error

    def _version(self, workflow: Workflow, number: int | None) -> WorkflowVersion:
        found = workflow.published if number is None else workflow.versions.filter(number=number).first()
        if found is None:
            missing = "no published version yet" if number is None else f"no version {number}"
            raise CommandError(f"The workflow {workflow.slug!r} has {missing}.", returncode=2)
        return found

    def _follow(self, run: Run, *, is_json: bool) -> None:
        progress = Console(stderr=True)
        try:
            ended = follow(run, progress)
        except KeyboardInterrupt:
            progress.print(f"Not followed any more; the run goes on: /runs/{run.pk}/", highlight=False)
            sys.exit(INTERRUPTED)
        if is_json:
            self._print_json(ended)
        else:
            show_result(ended, Console(file=cast("IO[str]", self.stdout)))
        if ended.status != RunStatus.SUCCEEDED:
            sys.exit(1)

    def _print_json(self, run: Run) -> None:
        data = json.loads(JSONRenderer().render(detail_of(run)))
        self.stdout.write(json.dumps(data, ensure_ascii=False))
