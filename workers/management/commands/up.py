"""Serve the product on this machine: checks first, then migrations, then the supervisor takes over."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils.translation import gettext as _

from orchestra import env
from workers.layout import Options
from workers.rundir import RunFolder
from workers.start import become_supervisor, free_port, prepare


class Command(BaseCommand):
    """`manage.py up`"""

    help = "Serve the product: web and workers, with an embedded broker unless BROKER_URL is set."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument(
            "--port", type=int, default=env.number("PORT", 8000), help="port (default: PORT, or 8000; 0: any)"
        )
        parser.add_argument(
            "--workers",
            type=int,
            default=env.number("ORCHESTRA_WORKERS", 1),
            help="worker processes; each runs many nodes at once (default: ORCHESTRA_WORKERS, or 1)",
        )
        parser.add_argument("--no-workers", action="store_true", help="web only")
        parser.add_argument("--status", action="store_true", help="say what runs here, and stop")
        parser.add_argument("--json", action="store_true", help="with --status: as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["status"]:
            self._show_status(as_json=options["json"])
            return
        chosen = Options(
            host=options["host"],
            port=options["port"] or free_port(options["host"]),
            workers=0 if options["no_workers"] else options["workers"],
        )
        lock = prepare(chosen, say=self.stdout.write)
        become_supervisor(chosen, lock)

    def _show_status(self, *, as_json: bool) -> None:
        status = RunFolder(settings.VAR_DIR).status()
        if as_json:
            self.stdout.write(json.dumps(status, indent=2))
        elif status["running"]:
            self.stdout.write(describe(status))
        else:
            self.stdout.write(_("Orchestra is not running on %(folder)s.") % {"folder": settings.VAR_DIR})
        if not status["running"]:
            sys.exit(1)


def describe(status: dict[str, Any]) -> str:
    """Put the status into lines for a person."""
    drivers = ", ".join(f"{part} {driver}" for part, driver in status.get("drivers", {}).items())
    lines = [f"{status.get('url', '')}  pid {status.get('pid', '?')}  ({drivers})"]
    for process in status.get("processes", []):
        lines.append(f"  {process['name']:<10} pid {process['pid']:<8} restarts {process['restarts']}")
    lines.append(f"  queues     {', '.join(status.get('queues', []))}")
    return "\n".join(lines)
