"""Calling a team's tool: arguments checked, quota kept, recorded, through the guarded client."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from apps.tools import ledger, registry, sessions
from apps.tools.ledger import Caller
from apps.tools.models import ToolKind, ToolRow, ToolServer
from apps.tools.pinning import note_offers
from apps.tools.places import secret_headers
from orchestra.engine.schemas import find_value_problems
from orchestra.errors import NodeFailure, Permanent, ToolFailed, ToolTimeout, ToolUnavailable
from orchestra.net import Outbound
from orchestra.tools.http import call_operation

SECONDS = 30.0
"""A call may take so long unless its node says otherwise."""

T = TypeVar("T")


class InDatabase(Protocol):
    """Runs a short function where the database may be asked."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class CallInDoubt(Permanent):
    """Nobody knows whether the call was carried out, and the tool is not one that may be called again at will."""

    code = "call_in_doubt"
    hint = "Find out at the service; mark the tool as changing nothing if its calls may be repeated."


def check_arguments(name: str, schema: Mapping[str, Any], arguments: Any) -> None:
    """Raise ToolFailed when the arguments do not fit the tool's schema."""
    problems = find_value_problems(schema, arguments)
    if problems:
        listed = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in problems[:5])
        raise ToolFailed(f"The arguments of {name} do not fit: {listed}")


async def call_row(
    row: ToolRow,
    arguments: Mapping[str, Any],
    *,
    http: Outbound,
    in_database: InDatabase,
    caller: Caller,
    key: str,
    timeout: float = SECONDS,  # noqa: ASYNC109 - the limit is part of the call
) -> Any:
    """Call an HTTP or MCP tool and return its result, recorded and within its server's quota.

    `key` goes along: as `Idempotency-Key`, or in the call's `_meta`. Raises what the call raises, QuotaReached,
    ToolNotAllowed (it is not what was accepted any more), CallInDoubt, and ToolFailed for arguments that do not fit.
    """
    check_arguments(row.name, row.schema, arguments)
    use = await in_database(lambda: ledger.begin_use(row, caller, arguments))
    started = time.monotonic()
    try:
        if row.kind == ToolKind.MCP:
            result = await _call_mcp(row, arguments, http, in_database, caller, key, timeout)
        else:
            result = await _call_http(row, arguments, http, caller, key, timeout)
    except NodeFailure as error:
        failure = error
        await in_database(lambda: ledger.end_use(use, time.monotonic() - started, failure))
        raise
    await in_database(lambda: ledger.end_use(use, time.monotonic() - started))
    return result


async def _call_http(
    row: ToolRow, arguments: Mapping[str, Any], http: Outbound, caller: Caller, key: str, seconds: float
) -> Any:
    server = _server_of(row)
    headers = {"Idempotency-Key": key, "X-Attempt": str(caller.attempt), **secret_headers(server)}
    return await call_operation(http, server.url, row.spec, arguments, headers=headers, timeout=seconds)


async def _call_mcp(
    row: ToolRow,
    arguments: Mapping[str, Any],
    http: Outbound,
    in_database: InDatabase,
    caller: Caller,
    key: str,
    seconds: float,
) -> Any:
    """Call a tool of an MCP server that still offers what was accepted."""
    server = _server_of(row)
    kept = sessions.kept_for(server, http)
    session = await kept.session()
    if kept.needs_listing:
        try:
            offers, protocol = await session.offers(), session.protocol
        except NodeFailure:
            kept.close()
            raise
        await in_database(lambda: note_offers(server.pk, protocol, offers))
        kept.listed_at = time.monotonic()
        await in_database(lambda: registry.find_row(row.team_id, row.name))
    try:
        meta = {"orchestra/idempotency-key": key, "orchestra/attempt": str(caller.attempt)}
        return await session.call(row.remote_name, arguments, timeout=seconds, meta=meta)
    except (ToolUnavailable, ToolTimeout) as error:
        kept.close()
        if row.is_safe:
            raise
        raise CallInDoubt(f"{error.message} Nobody knows whether {row.name} was carried out.") from error


def _server_of(row: ToolRow) -> ToolServer:
    if row.server is None:
        raise ToolFailed(f"{row.name} is a workflow: it is called by a run.")
    return row.server
