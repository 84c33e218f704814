"""What the fields of tool servers and tools must be; every problem is found at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from apps.agents.checks import MAX_SECRET, PRINTABLE
from apps.agents.outbound import allowed_out
from apps.tools.models import Policy, ServerKind, ToolServer
from apps.tools.registry import installed
from orchestra.engine.schemas import find_schema_problems
from orchestra.errors import AddressNotAllowed, InvalidInput, Problem
from orchestra.net import check_url

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
NOT_FOR_SECRETS = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie", "te"})
MOST_CALLS = 10_000_000
MAX_SCHEMA_BYTES = 64 * 1024


def check_server(server: ToolServer, secret: str) -> None:
    """Raise InvalidInput with every problem of a server's fields and of the secret that was entered."""
    found = _name_problems(server.name)
    if not SLUG.fullmatch(server.slug):
        found.append(Problem("slug", "invalid", _("Use lower-case letters, digits, “-” and “_”.")))
    if server.kind == ServerKind.STDIO:
        found.extend(_program_problems(server.program, secret))
    else:
        found.extend(_url_problems(server.url, allowed_out(server.team.slug)))
    if len(secret) > MAX_SECRET or (secret and not PRINTABLE.fullmatch(secret.replace(" ", ""))):
        found.append(Problem("secret", "invalid", _("A secret is printable ASCII text.")))
    header = server.secret_header
    if not HEADER.fullmatch(header) or header.lower() in NOT_FOR_SECRETS:
        found.append(Problem("secret_header", "invalid", _("This cannot be the header of a secret.")))
    for field in ("calls_per_minute", "calls_per_day"):
        value = getattr(server, field)
        if value is not None and not 1 <= value <= MOST_CALLS:
            message = _("A number from %(low)s to %(high)s.") % {"low": 1, "high": MOST_CALLS}
            found.append(Problem(field, "invalid", message))
    _raise(found)


def check_tool(*, name: str, title: str, description: str, policy: str) -> None:
    """Raise InvalidInput with every problem of the fields of a tool that people enter."""
    found = []
    if policy not in Policy.values:
        found.append(Problem("policy", "invalid", _("Choose allow, ask or deny.")))
    if len(title) > 200:
        found.append(Problem("title", "too_long", _("At most %(count)s characters.") % {"count": 200}))
    if len(description) > 10_000:
        message = _("At most %(count)s characters.") % {"count": 10_000}
        found.append(Problem("description", "too_long", message))
    if name in installed():
        found.append(Problem("name", "taken", _("A function of this installation has this name.")))
    _raise(found)


def check_word(name: str) -> None:
    """Raise InvalidInput when this cannot be the name of a tool of its own."""
    if not NAME.fullmatch(name):
        message = _("Use lower-case letters, digits and “_”, starting with a letter.")
        raise InvalidInput(problems=[Problem("name", "invalid", message)])


def is_usable_schema(schema: Any) -> bool:
    """Say whether this is the schema of an object that arguments can be checked with."""
    return (
        isinstance(schema, Mapping)
        and schema.get("type", "object") == "object"
        and not find_schema_problems(schema, "")
    )


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise InvalidInput(problems=problems)


def _name_problems(name: str) -> list[Problem]:
    if not name.strip():
        return [Problem("name", "required", _("A name is needed."))]
    return [Problem("name", "too_long", _("At most 80 characters."))] if len(name) > 80 else []


def _program_problems(program: str, secret: str) -> list[Problem]:
    if secret:
        return [Problem("secret", "invalid", _("The operator gives programs their secrets."))]
    if program in settings.ORCHESTRA_MCP_PROGRAMS:
        return []
    message = _("The operator allows no such program (ORCHESTRA_MCP_PROGRAMS).")
    return [Problem("program", "unknown", message)]


def _url_problems(address: str, allow: frozenset[str]) -> list[Problem]:
    try:
        url = check_url(address, allow)
    except AddressNotAllowed as error:
        return [Problem("url", error.code, error.message)]
    if url.query_string or url.fragment or len(address) > 500:
        return [Problem("url", "invalid", _("An address has no query and at most 500 characters."))]
    return []
