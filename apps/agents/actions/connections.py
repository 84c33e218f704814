"""Writes to connections. A secret goes in and never comes out; it is bound to the place it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _
from yarl import URL

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents import crypto
from apps.agents.checks import check_connection, is_mask
from apps.agents.models import Connection, Dialect
from apps.agents.providers import base_url_of
from apps.agents.secrets import hint_of
from apps.agents.slugs import check_slug, free_slug
from orchestra.errors import Conflict, InvalidInput, Problem, StaleRevision


@transaction.atomic
def create_connection(
    *,
    team: Team,
    name: str,
    dialect: str,
    base_url: str = "",
    secret: str = "",
    default_model: str = "",
    options: Mapping[str, Any] | None = None,
    is_default: bool = False,
    is_enabled: bool = True,
    slug: str = "",
    by: User,
) -> Connection:
    """Make a connection; the first one of a team becomes its default.

    Raises NotPermitted, InvalidInput (every problem at once), Conflict (the short name is taken).
    """
    require(by, team.pk, Role.EDITOR)
    base_url, secret = base_url.strip().rstrip("/"), secret.strip()
    fields = {
        "name": name.strip(),
        "dialect": dialect,
        "base_url": base_url,
        "default_model": default_model.strip(),
    }
    options = {} if options is None else options
    check_connection(team=team.slug, **fields, secret=secret, options=options)
    if slug:
        check_slug(slug)
    Team.objects.select_for_update().get(pk=team.pk)
    others = Connection.objects.filter(team=team)
    connection = Connection(
        team=team,
        slug=slug or free_slug(others, name, "connection"),
        options=dict(options),
        is_default=is_default or not others.exists(),
        is_enabled=is_enabled,
        **fields,
    )
    _put_secret(connection, secret)
    if connection.is_default:
        others.filter(is_default=True).update(is_default=False)
    return _inserted(connection)


@transaction.atomic
def update_connection(
    *,
    connection: Connection,
    name: str | None = None,
    dialect: str | None = None,
    base_url: str | None = None,
    secret: str | None = None,
    default_model: str | None = None,
    options: Mapping[str, Any] | None = None,
    is_default: bool | None = None,
    is_enabled: bool | None = None,
    revision: int | None = None,
    by: User,
) -> Connection:
    """Change a connection; what is None stays. The secret's mask stands for the stored one, "" removes it.

    A secret goes only where it was entered for: another scheme, host or port needs it entered again.
    Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, connection.team_id, Role.EDITOR)
    locked: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
    if revision is not None and locked.revision != revision:
        raise StaleRevision
    before = _origin(locked)
    given = {"name": name, "dialect": dialect, "base_url": base_url, "default_model": default_model}
    for field, value in given.items():
        setattr(locked, field, getattr(locked, field) if value is None else value.strip())
    locked.base_url = locked.base_url.rstrip("/")
    locked.options = locked.options if options is None else options
    entered = None if secret is None or is_mask(secret.strip()) else secret.strip()
    if entered or options is not None or any(value is not None for value in given.values()):
        _check(locked, entered or "")
    if locked.secret and entered is None and _origin(locked) != before:
        message = _("The secret was entered for another address: enter it again.")
        raise InvalidInput(problems=[Problem("secret", "required", message)])
    if _origin(locked) != before and locked.keys.exists():
        message = _("Its further keys were entered for another address: remove them first.")
        raise InvalidInput(problems=[Problem("base_url", "conflict", message)])
    if entered is not None:
        _put_secret(locked, entered)
    _switch(locked, is_default, is_enabled)
    locked.revision += 1
    locked.save()
    return locked


@transaction.atomic
def delete_connection(*, connection: Connection, by: User) -> None:
    """Delete a connection. Raises NotPermitted, Conflict (agents use it)."""
    require(by, connection.team_id, Role.EDITOR)
    try:
        connection.delete()
    except ProtectedError as error:
        names = ", ".join(sorted(str(agent) for agent in error.protected_objects)[:10])
        raise Conflict(_("These agents use the connection: %(names)s.") % {"names": names}) from error


def _check(connection: Connection, secret: str) -> None:
    check_connection(
        team=connection.team.slug,
        name=connection.name,
        dialect=connection.dialect,
        base_url=connection.base_url,
        secret=secret,
        default_model=connection.default_model,
        options=connection.options,
    )


def _switch(connection: Connection, is_default: bool | None, is_enabled: bool | None) -> None:
    if is_enabled is not None:
        connection.is_enabled = is_enabled
    if is_default:
        Team.objects.select_for_update().get(pk=connection.team_id)
        others = Connection.objects.filter(team_id=connection.team_id, is_default=True)
        others.exclude(pk=connection.pk).update(is_default=False)
    if is_default is not None:
        connection.is_default = is_default


def _origin(connection: Connection) -> str:
    """Return the scheme, host and port that the secret is sent to."""
    if connection.dialect not in Dialect.values:
        return ""
    base_url = base_url_of(connection.dialect, connection.base_url)
    return str(URL(base_url).origin()) if base_url else ""


def _put_secret(connection: Connection, secret: str) -> None:
    connection.secret = crypto.encrypt(secret, row=connection.pk, field="secret")
    connection.secret_hint = hint_of(secret)


def _inserted(connection: Connection) -> Connection:
    try:
        with transaction.atomic():
            connection.save(force_insert=True)
    except IntegrityError as error:
        message = _("There is a connection with the short name “%(slug)s” already.")
        raise Conflict(message % {"slug": connection.slug}) from error
    return connection
