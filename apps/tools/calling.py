"""Calling a team's tool: arguments checked, quota kept, recorded, through the guarded client."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from apps.agents import crypto
from apps.tools import ledger
from apps.tools.ledger import Caller
from apps.tools.models import ToolRow, ToolServer
from orchestra.engine.schemas import find_value_problems
from orchestra.errors import NodeFailure, ToolFailed
from orchestra.net import Outbound
from orchestra.tools.http import call_operation

SECONDS = 30.0
"""A call may take so long unless its node says otherwise."""

T = TypeVar("T")


class InDatabase(Protocol):
    """Runs a short function where the database may be asked."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


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
    headers: Mapping[str, str],
    timeout: float = SECONDS,  # noqa: ASYNC109 - the limit is part of the call
) -> Any:
    """Call an HTTP tool and return its result, recorded and within its server's quota.

    `headers` go with every request (`Idempotency-Key`). Raises what the call raises, QuotaReached, and ToolFailed
    for arguments that do not fit.
    """
    check_arguments(row.name, row.schema, arguments)
    use = await in_database(lambda: ledger.begin_use(row, caller, arguments))
    started = time.monotonic()
    try:
        result = await _send(row, arguments, http, headers, timeout)
    except NodeFailure as error:
        failure = error
        await in_database(lambda: ledger.end_use(use, time.monotonic() - started, failure))
        raise
    await in_database(lambda: ledger.end_use(use, time.monotonic() - started))
    return result


async def _send(
    row: ToolRow,
    arguments: Mapping[str, Any],
    http: Outbound,
    headers: Mapping[str, str],
    seconds: float,
) -> Any:
    server = row.server
    if server is None:
        raise ToolFailed(f"{row.name} is a workflow: it is called by a run.")
    sent = {**headers, **secret_headers(server)}
    return await call_operation(http, server.url, row.spec, arguments, headers=sent, timeout=seconds)


def secret_headers(server: ToolServer) -> dict[str, str]:
    """Return the header that opens a server, or none. Raises UnreadableSecret."""
    secret = crypto.decrypt(server.secret, row=server.pk, field="secret")
    if not secret:
        return {}
    is_bare = server.secret_header.lower() == "authorization" and " " not in secret
    return {server.secret_header: f"Bearer {secret}" if is_bare else secret}
