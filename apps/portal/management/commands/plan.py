"""`plan`: show the canvas that a workflow definition compiles to."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.portal.management.definitions import check_text, read_source, show_problems
from orchestra.engine.canvas_text import as_dot, as_text, as_tree


class Command(BaseCommand):
    help = (
        "Show the Celery canvas that a workflow definition compiles to: its units, gates, tasks and queues."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the definition (YAML or JSON), or - for standard input")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--dot", action="store_true", help="print a Graphviz graph")
        form.add_argument("--json", action="store_true", help="print the tree as one JSON object")
        parser.add_argument(
            "--unit-size",
            type=int,
            metavar="N",
            help="most tasks in one canvas (default: ORCHESTRA_UNIT_SIZE)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        size = options["unit_size"]
        if size is not None and size < 1:
            raise CommandError("--unit-size needs 1 or more.", returncode=2)
        problems, plan = check_text(read_source(options["file"]), unit_size=size)
        if plan is None:
            show_problems(self.stderr, options["file"], problems)
            sys.exit(1)
        if options["dot"]:
            self.stdout.write(as_dot(plan))
        elif options["json"]:
            self.stdout.write(json.dumps(as_tree(plan), ensure_ascii=False, indent=2))
        else:
            self.stdout.write(as_text(plan))
