"""What an MCP server offers: read, pinned, compared with what a person has accepted, accepted anew."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.agents.outbound import allowed_out, team_name
from apps.tools.checks import is_usable_schema
from apps.tools.models import Policy, ToolRow, ToolServer
from apps.tools.pinning import note_offers
from apps.tools.places import place_of
from orchestra.errors import Conflict, NodeFailure
from orchestra.net import Limits, Outbound

if TYPE_CHECKING:
    from orchestra.tools.mcp_client import Offer

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ServerTest:
    """How the server answered; `changed` names tools that are not what was accepted any more."""

    is_ok: bool
    seconds: float
    protocol: str = ""
    tools: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""


def test_server(*, server: ToolServer, by: User) -> ServerTest:
    """Connect to an MCP server, read its tools and pin those that are new.

    At the first reading all are switched on, later ones off. What the server does wrong is in the result. Raises
    NotPermitted, Conflict (no MCP server).
    """
    require(by, server.team_id, Role.EDITOR)
    if not server.is_mcp:
        raise Conflict(_("This is no MCP server."))
    started = time.monotonic()
    try:
        protocol, offers = async_to_sync(_read)(server, allowed_out(team_name(server.team_id)))
    except NodeFailure as error:
        seconds = time.monotonic() - started
        return ServerTest(False, seconds, code=error.code, message=error.message, hint=error.hint)
    changed = note_offers(server.pk, protocol, offers)
    names = tuple(server.tools.values_list("name", flat=True))
    return ServerTest(True, time.monotonic() - started, protocol, names, tuple(changed))


async def _read(server: ToolServer, allow: frozenset[str]) -> tuple[str, list[Offer]]:
    from orchestra.tools.mcp_client import connected  # here: only processes that speak MCP pay for the SDK

    async with (
        Outbound(allow=allow, limits=Limits(total_seconds=SECONDS)) as http,
        connected(place_of(server), http, seconds=SECONDS) as session,
    ):
        return session.protocol, await session.offers()


@transaction.atomic
def accept_tool(*, tool: ToolRow, by: User) -> ToolRow:
    """Take over what the server offers now in place of what was accepted before; a person is asked about calls again.

    Raises NotPermitted, Conflict (nothing has changed; the tool is gone; its schema cannot be used).
    """
    require(by, tool.team_id, Role.EDITOR)
    locked: ToolRow = ToolRow.objects.select_for_update().get(pk=tool.pk)
    offered = locked.offered
    if offered is None:
        raise Conflict(_("The tool is what was accepted."))
    if not offered or not is_usable_schema(offered["schema"]):
        raise Conflict(_("The server does not offer this tool any more, or not in a form that can be used."))
    locked.title, locked.description = offered["title"], offered["description"]
    locked.schema, locked.is_safe = offered["schema"], offered["is_safe"]
    locked.digest, locked.offered, locked.policy = offered["digest"], None, Policy.ASK
    locked.revision += 1
    locked.save()
    return locked
