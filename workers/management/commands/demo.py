"""Everything at once: seed, serve, and run the sample workflow on a real document before your eyes."""

from __future__ import annotations

import signal
import sys
from argparse import SUPPRESS, ArgumentParser
from types import FrameType
from typing import Any, NoReturn

from django.core.management import BaseCommand, CommandError
from django.utils.translation import gettext as _
from rich.console import Console

from apps.accounts.actions import make_login_link
from apps.portal.follow import follow, show_result
from apps.portal.seeding import Seeded, seed
from apps.runs.actions import start_run
from apps.runs.models import Origin
from apps.workflows.models import Workflow
from orchestra import env
from orchestra.engine.status import RunStatus
from orchestra.errors import OrchestraError
from workers.start import add_options, become_supervisor, prepare

SAMPLE = "brief"
DOCUMENT = env.ROOT / "samples" / "document.txt"


class Command(BaseCommand):
    """`manage.py demo`"""

    help = "Seed, serve, run the sample workflow on the sample document, and go on serving until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--present", metavar="URL", help=SUPPRESS)

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["present"]:
            self._present(options["present"])
            return
        ready = prepare(options, say=self.stdout.write)
        self._show_people(seed())
        become_supervisor(ready, then=[str(env.ROOT / "manage.py"), "demo", "--present", ready.options.url])

    def _show_people(self, seeded: Seeded) -> None:
        if seeded.passwords:
            self.stdout.write(_("People to try the roles with; their passwords are shown this once:"))
        for name, password in seeded.passwords.items():
            self.stdout.write(f"  {name:<10} {password}")

    def _present(self, url: str) -> None:
        """Run the sample in the terminal of the supervisor, which has started this process."""
        signal.signal(signal.SIGTERM, stop_quietly)
        seeded = seed()
        workflow = Workflow.objects.filter(team=seeded.team, slug=SAMPLE, archived_at=None).first()
        if workflow is None:
            raise CommandError(_("The sample workflow is archived; nothing is run."))
        text = DOCUMENT.read_text(encoding="utf-8")
        values = {"name": workflow.name, "file": DOCUMENT.name, "words": len(text.split())}
        self.stdout.write(_("Running “%(name)s” on samples/%(file)s (%(words)s words):") % values)
        try:
            run = start_run(
                workflow=workflow, input={"document": text}, origin=Origin.COMMAND, by=seeded.operator
            )
        except OrchestraError as error:
            raise CommandError(error.message) from error
        console = Console(file=sys.stdout)
        ended = follow(run, console)
        show_result(ended, console)
        base = url.rstrip("/")
        self.stdout.write("")
        self.stdout.write(_("The run:   %(url)s") % {"url": f"{base}/runs/{run.pk}/"})
        link = base + make_login_link(user=seeded.operator)
        self.stdout.write(_("Log in:    %(url)s  (once, within 15 minutes)") % {"url": link})
        self.stdout.write(_("Orchestra goes on serving; Ctrl-C stops it."))
        if ended.status != RunStatus.SUCCEEDED:
            sys.exit(1)


def stop_quietly(_number: int, _frame: FrameType | None) -> NoReturn:
    """End on the supervisor's word, leaving the terminal as it was."""
    sys.exit(0)
