"""`validate`: tell everything that is wrong with a workflow definition."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.portal.management.definitions import check_text, read_source, show_problems


class Command(BaseCommand):
    help = "Check a workflow definition (YAML or JSON) and list every problem with its line and path; exit 1 if any."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to check, or - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON object: {valid, problems}")

    def handle(self, *args: Any, **options: Any) -> None:
        text = read_source(options["file"])
        problems, plan = check_text(text)
        if options["json"]:
            self.stdout.write(
                json.dumps({"valid": plan is not None, "problems": problems}, ensure_ascii=False)
            )
        elif plan is not None:
            count = len(plan.nodes)
            self.stdout.write(
                self.style.SUCCESS(f"{options['file']}: valid, {count} {'node' if count == 1 else 'nodes'}")
            )
        else:
            show_problems(self.stdout, options["file"], problems)
        if plan is None:
            sys.exit(1)
