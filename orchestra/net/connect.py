"""Resolve, check every address, connect to the checked one only: the resolver and connector of the guard."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from orchestra.net.addresses import endpoint, is_public, refusal

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) → the IP addresses of the name; raises OSError when it has none."""

FRESH_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 30.0

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, in threads of its own so that busy workers do not hold it up."""
    loop = asyncio.get_running_loop()
    infos = await loop.run_in_executor(
        _threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class GuardedResolver(AbstractResolver):
    """Names to checked addresses; a name with one inside address among its addresses is refused whole.

    Answers are kept for FRESH_SECONDS and concurrent questions for one name share one lookup, so a thousand
    calls to one provider ask once. What is kept has been checked, so a rebinding name gains nothing.
    """

    def __init__(self, lookup: Lookup, allow: frozenset[str]) -> None:
        self._lookup = lookup
        self._allow = allow
        self._known: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[tuple[str, ...]]] = {}
        self._granted: set[tuple[str, int]] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses of a name. Raises AddressNotAllowed, OSError."""
        addresses = await self._addresses(host.lower().rstrip("."), port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Forget what was asked."""
        for task in self._asking.values():
            task.cancel()
        self._known.clear()

    def is_permitted(self, address: str, port: int) -> bool:
        """Say whether a socket may be connected to this address: the last check, right before connecting."""
        return (
            is_public(ip_address(address))
            or endpoint(address, port) in self._allow
            or (address, port) in self._granted
        )

    async def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        key = (host, port)
        since, addresses = self._known.get(key, (0.0, ()))
        if addresses and time.monotonic() - since < FRESH_SECONDS:
            return addresses
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(host, port))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: tuple[str, int], task: asyncio.Task[tuple[str, ...]]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            if len(self._known) >= 1000:
                self._known.clear()
            self._known[key] = (time.monotonic(), task.result())

    async def _ask(self, host: str, port: int) -> tuple[str, ...]:
        addresses = tuple(await self._lookup(host, port))
        if not addresses:
            raise OSError(f"{host} has no address")
        if endpoint(host, port) in self._allow:
            self._granted.update((address, port) for address in addresses)
        elif not all(is_public(ip_address(address)) for address in addresses):
            raise refusal(host, port)
        return addresses


def guarded_connector(resolver: GuardedResolver) -> TCPConnector:
    """Return a connector that reaches only what the resolver permits, without a bound on connections."""

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, target = info
        if not resolver.is_permitted(str(target[0]), int(target[1])):
            raise refusal(str(target[0]), int(target[1]))
        return socket.socket(family, kind, proto)

    return TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        limit=0,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        socket_factory=open_socket,
    )
