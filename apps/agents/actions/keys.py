"""Writes to the further keys of connections. A key goes in and never comes out; it is bound to the place it is for."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.agents import crypto
from apps.agents.checks import MAX_SECRET, PRINTABLE
from apps.agents.models import Connection, ConnectionKey, Dialect
from apps.agents.secrets import hint_of
from orchestra.errors import Conflict, InvalidInput, Problem

MOST_KEYS = 20
WEIGHTS = (0.01, 1000.0)


@transaction.atomic
def add_key(
    *, connection: Connection, name: str, secret: str, weight: float = 1.0, by: User
) -> ConnectionKey:
    """Add a key. Raises NotPermitted, InvalidInput (every problem at once), Conflict (the name is taken)."""
    locked = _locked(connection, by)
    problems = [*_problems(name=name, weight=weight), *_secret_problems(locked, secret.strip())]
    if locked.keys.count() >= MOST_KEYS:
        problems.append(Problem("secret", "too_many", _("At most %(count)s keys.") % {"count": MOST_KEYS}))
    if problems:
        raise InvalidInput(problems=problems)
    made = ConnectionKey(
        connection=locked, name=name.strip(), weight=weight, secret_hint=hint_of(secret.strip())
    )
    made.secret = crypto.encrypt(secret.strip(), row=made.pk, field="secret")
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(_("There is a key “%(name)s” already.") % {"name": made.name}) from error
    _touch(locked)
    return made


@transaction.atomic
def update_key(
    *, key: ConnectionKey, weight: float | None = None, is_enabled: bool | None = None, by: User
) -> ConnectionKey:
    """Change how many of the calls a key takes; what is None stays. Raises NotPermitted, InvalidInput."""
    locked = _locked(key.connection, by)
    problems = [] if weight is None else _problems(name=key.name, weight=weight)
    if problems:
        raise InvalidInput(problems=problems)
    key.weight = key.weight if weight is None else weight
    key.is_enabled = key.is_enabled if is_enabled is None else is_enabled
    key.save(update_fields=["weight", "is_enabled"])
    _touch(locked)
    return key


@transaction.atomic
def remove_key(*, key: ConnectionKey, by: User) -> None:
    """Remove a key for good. Raises NotPermitted."""
    locked = _locked(key.connection, by)
    key.delete()
    _touch(locked)


def _locked(connection: Connection, by: User) -> Connection:
    require(by, connection.team_id, Role.EDITOR)
    found: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
    return found


def _touch(connection: Connection) -> None:
    """Note on the connection whether it has further keys, so that those without cost no look for them."""
    connection.has_keys = connection.keys.filter(is_enabled=True).exists()
    connection.revision += 1
    connection.save(update_fields=["has_keys", "revision", "updated_at"])


def _problems(*, name: str, weight: float) -> list[Problem]:
    found = []
    if not 0 < len(name.strip()) <= 80:
        found.append(Problem("name", "invalid", _("A name of at most 80 characters is needed.")))
    low, high = WEIGHTS
    if not low <= weight <= high:
        message = _("A number from %(low)s to %(high)s.") % {"low": low, "high": high}
        found.append(Problem("weight", "invalid", message))
    return found


def _secret_problems(connection: Connection, secret: str) -> list[Problem]:
    if connection.dialect in (Dialect.SIMULATED, Dialect.GROUP):
        return [Problem("secret", "invalid", _("Connections of this dialect have no keys."))]
    if not secret or len(secret) > MAX_SECRET or not PRINTABLE.fullmatch(secret):
        return [Problem("secret", "invalid", _("A secret is printable ASCII text without spaces."))]
    return []
