"""Making tools of an OpenAPI document, which is pasted, or fetched through the guarded client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from yarl import URL

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.outbound import allowed_out
from apps.tools.actions.servers import create_server
from apps.tools.checks import is_usable_schema
from apps.tools.models import Policy, ServerKind, ToolKind, ToolRow, ToolServer
from orchestra.engine import definition as documents
from orchestra.errors import InvalidInput, InvalidWorkflow, NodeFailure, Problem
from orchestra.net import Limits, Outbound
from orchestra.tools import openapi
from orchestra.tools.tool import digest_of

SECONDS = 15.0


def import_openapi(
    *,
    team: Team,
    document: str = "",
    document_url: str = "",
    name: str = "",
    base_url: str = "",
    secret: str = "",
    secret_header: str = "Authorization",  # noqa: S107  (a header's name)
    slug: str = "",
    by: User,
) -> ToolServer:
    """Make a server of an OpenAPI 3 document (JSON or YAML, 1 MiB at most) and a tool of each of its operations.

    Operations that change nothing may be called at once; a person is asked before any other. Without `base_url` it
    is the document's first server. Raises NotPermitted, InvalidInput, Conflict.
    """
    require(by, team.pk, Role.EDITOR)
    if bool(document.strip()) == bool(document_url.strip()):
        message = _("Give either the document or its address.")
        raise InvalidInput(problems=[Problem("document", "required", message)])
    read = _fetched(team, document_url.strip()) if document_url.strip() else _read(document)
    try:
        operations = openapi.read_operations(read)
    except openapi.BadDocument as error:
        raise InvalidInput(problems=[Problem("document", "bad_document", str(error))]) from None
    with transaction.atomic():
        server = create_server(
            team=team,
            name=name or openapi.title_of(read) or _("HTTP service"),
            kind=ServerKind.OPENAPI,
            slug=slug,
            url=base_url or _joined(document_url, openapi.server_of(read)),
            secret=secret,
            secret_header=secret_header,
            by=by,
        )
        ToolRow.objects.bulk_create([_row(server, one) for one in operations if is_usable_schema(one.schema)])
    return server


def _row(server: ToolServer, operation: openapi.Operation) -> ToolRow:
    return ToolRow(
        team_id=server.team_id,
        server=server,
        kind=ToolKind.HTTP,
        name=f"{server.slug}.{operation.name}",
        remote_name=operation.name,
        title=operation.title,
        description=operation.description,
        schema=dict(operation.schema),
        spec=dict(operation.spec),
        policy=Policy.ALLOW if operation.is_safe else Policy.ASK,
        is_safe=operation.is_safe,
        digest=digest_of([operation.description, operation.schema, operation.spec]),
    )


def _read(text: str) -> Mapping[str, Any]:
    try:
        return documents.load(text)
    except InvalidWorkflow as error:
        problems = [Problem("document", one.code, one.message) for one in error.problems[:5]]
        raise InvalidInput(problems=problems) from None


def _fetched(team: Team, url: str) -> Mapping[str, Any]:
    async def fetch() -> Any:
        async with Outbound(allow=allowed_out(team.slug), limits=Limits(total_seconds=SECONDS)) as http:
            return await http.request("GET", url)

    try:
        reply = asyncio.run(fetch())
    except NodeFailure as error:
        raise InvalidInput(problems=[Problem("document_url", error.code, error.message)]) from None
    if reply.status != 200:
        message = _("The address answered %(status)s.") % {"status": reply.status}
        raise InvalidInput(problems=[Problem("document_url", "bad_answer", message)])
    return _read(reply.body if isinstance(reply.body, str) else json.dumps(reply.body))


def _joined(document_url: str, server_url: str) -> str:
    """Return the base URL that a document names, which may be relative to where it was found."""
    if not document_url:
        return server_url
    try:
        return str(URL(document_url).join(URL(server_url or "/")))
    except ValueError:
        return server_url
