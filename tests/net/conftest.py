"""Fixtures of the guarded client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orchestra.net import Outbound
from tests.local_server import Server


@pytest.fixture
async def http() -> AsyncIterator[Callable[..., Outbound]]:
    """Return a factory of clients that may reach the given servers."""
    made: list[Outbound] = []

    def make(*servers: Server, **options: Any) -> Outbound:
        made.append(Outbound(allow=frozenset(server.endpoint for server in servers), **options))
        return made[-1]

    yield make
    for client in made:
        await client.close()
