"""Serve the product on this machine: checks first, then migrations, then the supervisor takes over."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.utils.translation import gettext as _

from apps.accounts.actions import ensure_operator, make_login_link
from apps.accounts.models import User
from workers.layout import Options
from workers.rundir import RunFolder
from workers.start import add_options, become_supervisor, prepare


class Command(BaseCommand):
    """`manage.py up`"""

    help = "Serve the product: web and workers, with an embedded broker unless BROKER_URL is set."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--no-workers", action="store_true", help="web only")
        parser.add_argument("--status", action="store_true", help="say what runs here, and stop")
        parser.add_argument("--json", action="store_true", help="with --status: as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["status"]:
            self._show_status(as_json=options["json"])
            return
        if options["no_workers"]:
            options["workers"] = 0
        ready = prepare(options, say=self.stdout.write)
        self._welcome(ready.options)
        become_supervisor(ready)

    def _welcome(self, chosen: Options) -> None:
        """Let the first person in: there is no default account. Later people have ways of their own."""
        if User.objects.filter(last_login__isnull=False).exists():
            return
        link = make_login_link(user=ensure_operator(team_name=_("My team")))
        self.stdout.write(
            _("First login, once and within 15 minutes: %(url)s") % {"url": chosen.url.rstrip("/") + link}
        )

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
