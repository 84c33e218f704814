"""`loginlink`: print a one-time link that logs a person in."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import actions
from apps.accounts.management.people import find_person, served_at


class Command(BaseCommand):
    help = "Print a link that logs a person in once. Without a person: the first operator, made when there is none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "user", nargs="?", help="user name or e-mail address (default: the first operator)"
        )
        parser.add_argument("--minutes", type=int, default=15, help="how long it works (default: 15)")
        parser.add_argument(
            "--base",
            default=served_at(),
            help="where people reach the product (default: where “up” serves, here %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["minutes"] < 1:
            raise CommandError("--minutes needs 1 or more.", returncode=2)
        user = find_person(options["user"]) if options["user"] else actions.ensure_operator()
        path = actions.make_login_link(user=user, minutes=options["minutes"])
        url = options["base"].rstrip("/") + path
        if options["json"]:
            self.stdout.write(json.dumps({"url": url, "user": user.username, "minutes": options["minutes"]}))
        else:
            self.stdout.write(url)
