"""Encrypt every stored secret anew under the first key of FIELD_KEYS; can be stopped and started again."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from apps.agents import crypto

ENCRYPTED = (
    ("agents", "Connection", "secret"),
    ("agents", "ConnectionKey", "secret"),
    ("triggers", "Trigger", "secret"),
    ("triggers", "Trigger", "previous_secret"),
)
"""(app, model, field) of everything that `apps.agents.crypto` encrypts."""
SECOND_FACTOR = {"row": "second_factor", "field": "secret"}
"""What the secrets of second factors are bound to: they stand as `secret` or `seed` in the row's data."""


class Command(BaseCommand):
    help = "Encrypt stored secrets anew under the first key of FIELD_KEYS. Then older keys can be removed."

    def handle(self, *args: Any, **options: Any) -> None:
        rotated = unreadable = 0
        for app, model, field in ENCRYPTED:
            for row in apps.get_model(app, model).objects.exclude(**{field: ""}).order_by("pk").iterator():
                try:
                    rotated += _rotate(row, field)
                except crypto.UnreadableSecret:
                    unreadable += 1
                    self.stderr.write(f"{model} {row.pk}: {field} cannot be read with the keys given.")
        for row in Authenticator.objects.order_by("pk").iterator():
            try:
                rotated += _rotate_second_factor(row)
            except crypto.UnreadableSecret:
                unreadable += 1
                self.stderr.write(f"Authenticator {row.pk}: it cannot be read with the keys given.")
        self.stdout.write(f"{rotated} encrypted anew, {unreadable} unreadable.")
        if unreadable:
            raise CommandError("Keep the old keys: some secrets could not be read.", returncode=1)


def _rotate(row: Any, field: str) -> int:
    """Rotate one secret unless somebody changed it meanwhile; return the number of rows written."""
    stored = getattr(row, field)
    if crypto.is_current(stored):
        return 0
    changed = crypto.rotate(stored, row=row.pk, field=field)
    return int(type(row).objects.filter(pk=row.pk, **{field: stored}).update(**{field: changed}))


def _rotate_second_factor(row: Authenticator) -> int:
    stored = {name: row.data[name] for name in ("secret", "seed") if row.data.get(name)}
    if row.type == Authenticator.Type.WEBAUTHN or all(map(crypto.is_current, stored.values())):
        return 0
    changed = {name: crypto.rotate(value, **SECOND_FACTOR) for name, value in stored.items()}
    return int(type(row).objects.filter(pk=row.pk, data=row.data).update(data={**row.data, **changed}))
