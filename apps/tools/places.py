"""Where a tool server is and what opens it: for the clients that call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from apps.agents import crypto
from apps.tools.models import ServerKind, ToolServer
from orchestra.errors import ToolUnavailable

if TYPE_CHECKING:
    from orchestra.tools.mcp_client import Place


def secret_headers(server: ToolServer) -> dict[str, str]:
    """Return the header that opens a server, or none. Raises UnreadableSecret."""
    secret = crypto.decrypt(server.secret, row=server.pk, field="secret")
    if not secret:
        return {}
    is_bare = server.secret_header.lower() == "authorization" and " " not in secret
    return {server.secret_header: f"Bearer {secret}" if is_bare else secret}


def place_of(server: ToolServer) -> Place:
    """Return where an MCP server is. Raises UnreadableSecret, ToolUnavailable (a program no longer allowed)."""
    from orchestra.tools.mcp_client import Place  # here: only processes that speak MCP pay for the SDK

    if server.kind != ServerKind.STDIO:
        return Place(url=server.url, headers=secret_headers(server))
    command = settings.ORCHESTRA_MCP_PROGRAMS.get(server.program)
    if not command:
        raise ToolUnavailable(f"The operator does not allow the program {server.program!r} any more.")
    return Place(command=command)
