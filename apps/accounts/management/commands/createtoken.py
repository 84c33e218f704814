"""`createtoken`: make an API key for a person and print it, once."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.accounts import actions
from apps.accounts.management.people import find_person
from apps.accounts.models import Team, User
from apps.accounts.scopes import Scope
from orchestra.errors import OrchestraError


class Command(BaseCommand):
    help = "Make an API key for a person and print it. It is shown this once; only a hash is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="user name or e-mail address")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            required=True,
            help="what the key may do; give it several times for several",
        )
        parser.add_argument(
            "--team", help="short name of the team (default: the first one the person joined)"
        )
        parser.add_argument("--name", default="command line", help="what lists call the key")
        parser.add_argument("--days", type=int, help="days until it expires (default: never)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_person(options["user"])
        team = self._team(user, options["team"])
        days = options["days"]
        if days is not None and days < 1:
            raise CommandError("--days needs 1 or more.", returncode=2)
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        try:
            key, text = actions.create_api_key(
                user=user, team=team, name=options["name"], scopes=options["scope"], expires_at=expires_at
            )
        except OrchestraError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            body = {"key": text, "id": str(key.pk), "team": team.slug, "scopes": key.scopes}
            body["expires_at"] = expires_at.isoformat() if expires_at else None
            self.stdout.write(json.dumps(body))
            return
        self.stdout.write(text)
        self.stderr.write(
            f"For {user.username} in {team.name}: {', '.join(key.scopes)}. Keep it: it is not shown again."
        )

    def _team(self, user: User, slug: str | None) -> Team:
        memberships = user.memberships.select_related("team").order_by("created_at")
        membership = (memberships.filter(team__slug=slug) if slug else memberships).first()
        if membership is None:
            where = f"the team {slug!r}" if slug else "any team"
            raise CommandError(f"{user.username} is not in {where}.")
        return membership.team
