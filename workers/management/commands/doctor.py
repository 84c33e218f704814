"""Say how this installation is, what is wrong and how to mend it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand
from django.utils.translation import gettext as _

from workers import doctor
from workers.upkeep import is_kept_up

MARKS = {"ok": "✓", "note": "·", "problem": "✗"}


class Command(BaseCommand):
    """`manage.py doctor`"""

    help = "Look at drivers, services, tables, workers, queues, secrets and disk; exit 1 on a problem."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="everything, as JSON")
        parser.add_argument("--worker", metavar="NAME", help="only say whether a worker named so is alive")
        parser.add_argument("--upkeep", action="store_true", help="only say whether the upkeep is led")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["worker"]:
            sys.exit(0 if doctor.has_worker(options["worker"]) else 1)
        if options["upkeep"]:
            sys.exit(0 if is_kept_up() else 1)
        report = doctor.report()
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            self._show(report)
        if not report["healthy"]:
            sys.exit(1)

    def _show(self, report: dict[str, Any]) -> None:
        self.stdout.write("  ".join(f"{name} {version}" for name, version in report["versions"].items()))
        styles = {"ok": self.style.SUCCESS, "note": self.style.WARNING, "problem": self.style.ERROR}
        for finding in report["findings"]:
            status = finding["status"]
            self.stdout.write(f"{styles[status](MARKS[status])} {finding['name']:<22} {finding['detail']}")
            if status != "ok":
                self.stdout.write(f"  {'':<22} → {finding['hint']}")
        self.stdout.write(
            _("All is well.") if report["healthy"] else _("There are problems; see the lines marked ✗.")
        )
