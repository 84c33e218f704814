"""Comparing what an MCP server offers with what people have accepted: pinned by hash, refused on change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from apps.tools.checks import is_usable_schema
from apps.tools.models import Policy, ToolKind, ToolRow, ToolServer

if TYPE_CHECKING:
    from orchestra.tools.mcp_client import Offer

NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")

log = structlog.get_logger(__name__)


@transaction.atomic
def note_offers(server_id: UUID, protocol: str, offers: Sequence[Offer]) -> list[str]:
    """Compare what a server offers with what was accepted; return the names of tools that are something else now.

    Those are not called before somebody has accepted them (`accept_tool`).
    """
    server: ToolServer = ToolServer.objects.select_for_update().get(pk=server_id)
    known = {row.remote_name: row for row in server.tools.all()}
    made, changed = [], []
    for offer in offers:
        row = known.pop(offer.name, None)
        if row is not None:
            changed += _compared(row, offer)
        elif NAME.fullmatch(offer.name) and is_usable_schema(offer.schema):
            made.append(_row(server, offer))
    for row in known.values():
        changed += _differs(row, {})
    ToolRow.objects.bulk_create(made, ignore_conflicts=True)
    server.protocol, server.read_at = protocol, timezone.now()
    server.save(update_fields=["protocol", "read_at"])
    return changed


def _row(server: ToolServer, offer: Offer) -> ToolRow:
    return ToolRow(
        team_id=server.team_id,
        server=server,
        kind=ToolKind.MCP,
        name=f"{server.slug}.{offer.name.replace('/', '.')}",
        remote_name=offer.name,
        title=offer.title,
        description=offer.description,
        schema=dict(offer.schema),
        policy=Policy.ASK,
        is_safe=offer.is_safe,
        is_enabled=server.read_at is None,
        digest=offer.digest,
    )


def _compared(row: ToolRow, offer: Offer) -> list[str]:
    if row.digest == offer.digest:
        if row.offered is not None:
            row.offered = None
            row.save(update_fields=["offered", "updated_at"])
        return []
    return _differs(row, {**asdict(offer), "digest": offer.digest})


def _differs(row: ToolRow, offered: dict[str, object]) -> list[str]:
    if row.offered != offered:
        row.offered = offered
        row.save(update_fields=["offered", "updated_at"])
        log.warning("tool_changed", tool=row.name, team=str(row.team_id), is_gone=not offered)
    return [row.name]
