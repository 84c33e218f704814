"""Writes to tool servers. A secret goes in and never comes out; it is bound to the place it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from yarl import URL

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents import crypto
from apps.agents.checks import is_mask
from apps.agents.slugs import free_slug
from apps.tools.checks import check_server
from apps.tools.models import ServerKind, ToolServer
from orchestra.errors import Conflict, InvalidInput, Problem, StaleRevision

HINT_LENGTH = 4
SHORTEST_HINTED = 12
FIELDS = frozenset(
    {"name", "url", "program", "secret_header", "calls_per_minute", "calls_per_day", "is_enabled"}
)


@transaction.atomic
def create_server(
    *,
    team: Team,
    name: str,
    kind: str,
    slug: str = "",
    secret: str = "",
    by: User,
    **fields: Any,
) -> ToolServer:
    """Make a tool server without tools; `fields` are those of FIELDS.

    Raises NotPermitted, InvalidInput (every problem at once), Conflict (the short name is taken).
    """
    require(by, team.pk, Role.EDITOR)
    chosen = slug or free_slug(ToolServer.objects.filter(team=team), name, "service")[:60]
    server = ToolServer(team=team, name=name.strip(), kind=kind, slug=chosen)
    _put(server, fields)
    check_server(server, secret)
    _put_secret(server, secret.strip())
    try:
        with transaction.atomic():
            server.save(force_insert=True)
    except IntegrityError as error:
        message = _("There is a tool server with the short name “%(slug)s” already.") % {"slug": chosen}
        raise Conflict(message) from error
    return server


@transaction.atomic
def update_server(
    *, server: ToolServer, secret: str | None = None, revision: int | None = None, by: User, **fields: Any
) -> ToolServer:
    """Change a tool server; what is not given stays. The secret's mask stands for the stored one, "" removes it.

    Another scheme, host or port needs the secret entered again. What every process keeps of the server is
    made anew with its revision. Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, server.team_id, Role.EDITOR)
    locked: ToolServer = ToolServer.objects.select_for_update().get(pk=server.pk)
    if revision is not None and locked.revision != revision:
        raise StaleRevision
    before = _origin(locked)
    _put(locked, fields)
    entered = None if secret is None or is_mask(secret.strip()) else secret.strip()
    check_server(locked, entered or "")
    if locked.secret and entered is None and _origin(locked) != before:
        message = _("The secret was entered for another address: enter it again.")
        raise InvalidInput(problems=[Problem("secret", "required", message)])
    if entered is not None:
        _put_secret(locked, entered)
    locked.revision += 1
    locked.save()
    return locked


@transaction.atomic
def delete_server(*, server: ToolServer, by: User) -> None:
    """Delete a server with its tools; the record of their calls stays. Raises NotPermitted."""
    require(by, server.team_id, Role.EDITOR)
    server.delete()


def _put(server: ToolServer, fields: Mapping[str, Any]) -> None:
    unknown = set(fields) - FIELDS
    if unknown:
        raise TypeError(f"A tool server has no {sorted(unknown)}.")
    for field, value in fields.items():
        setattr(server, field, value.strip() if isinstance(value, str) else value)
    server.url = server.url.rstrip("/") if server.kind == ServerKind.OPENAPI else server.url


def _origin(server: ToolServer) -> str:
    """Return what the secret is sent to: scheme, host and port, or the program."""
    return f"program:{server.program}" if server.kind == ServerKind.STDIO else str(URL(server.url).origin())


def _put_secret(server: ToolServer, secret: str) -> None:
    server.secret = crypto.encrypt(secret, row=server.pk, field="secret")
    server.secret_hint = secret[-HINT_LENGTH:] if len(secret) >= SHORTEST_HINTED else ""
