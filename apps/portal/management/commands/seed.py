"""`seed`: things to play with, made where they are missing."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.portal.seeding import Seeded, seed


class Command(BaseCommand):
    help = (
        "Make a team with people, a connection to the simulated model, agents and the sample workflows. "
        "What is there already stays as it is; new passwords are random and shown this once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        seeded = seed()
        if options["json"]:
            self.stdout.write(json.dumps(seeded.as_json(), ensure_ascii=False))
        else:
            self._show(seeded)

    def _show(self, seeded: Seeded) -> None:
        self.stdout.write(
            f"Team {seeded.team.name} ({seeded.team.slug}), operator {seeded.operator.username}"
        )
        for name in seeded.made:
            self.stdout.write(self.style.SUCCESS(f"  made {name}"))
        if not seeded.made:
            self.stdout.write("  everything was there already")
        if seeded.passwords:
            self.stdout.write("Passwords, shown this once:")
        for name, password in seeded.passwords.items():
            self.stdout.write(f"  {name:<10} {password}")
