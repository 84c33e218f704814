"""Who is connected: how many at most, and out they go within seconds when they may no longer look."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings

from apps.runs.live.database import in_database
from apps.runs.live.readers import Reader
from apps.runs.live.standing import Credential, Standing
from orchestra.errors import LimitReached

log = structlog.get_logger(__name__)

CHECK_SECONDS = 3.0
"""How often credentials and memberships are read again; a stream outlives its right by this much."""
BLIND_SECONDS = 30.0
"""When they could not be read for this long, every stream is closed."""
SIGNED_OUT = "signed_out"
REVOKED = "revoked"
UNAVAILABLE = "unavailable"
RETRY_SECONDS = 10.0


@dataclass(eq=False, slots=True)
class Guest:
    """One open connection: who it speaks for, and the teams whose data it gets."""

    credential: Credential
    reader: Reader
    teams: set[str] = field(default_factory=set)


class Door:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self.guests: set[Guest] = set()
        self._per_user: Counter[str] = Counter()
        self._standing = Standing()
        self._watching: asyncio.Future[None] | None = None
        self._seen_at = 0.0

    def enter(self, guest: Guest) -> None:
        """Let a connection in. Raises LimitReached when this person, or everybody together, has too many."""
        if self._per_user[guest.credential.user_id] >= settings.ORCHESTRA_STREAMS_PER_USER:
            raise LimitReached("You have too many open streams; close one.", retry_after=RETRY_SECONDS)
        if len(self.guests) >= settings.ORCHESTRA_STREAMS:
            raise LimitReached("The server has too many open streams.", retry_after=RETRY_SECONDS)
        self.guests.add(guest)
        self._per_user[guest.credential.user_id] += 1
        if self._watching is None:
            self._seen_at = asyncio.get_running_loop().time()
            self._watching = asyncio.ensure_future(self._watch())

    def leave(self, guest: Guest) -> None:
        """Note that a connection has ended."""
        if guest not in self.guests:
            return
        self.guests.discard(guest)
        self._per_user[guest.credential.user_id] -= 1
        self._per_user += Counter()  # drops zeros
        if not self.guests and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def check(self) -> None:
        """Close the connections whose credential no longer holds, or whose teams are no longer theirs."""
        teams = await in_database(self._standing.teams, {guest.credential for guest in self.guests})
        self._seen_at = asyncio.get_running_loop().time()
        for guest in self.guests:
            mine = teams.get(guest.credential)
            if mine is None:
                guest.reader.close(SIGNED_OUT)
            elif not guest.teams <= mine:
                guest.reader.close(REVOKED)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except Exception as error:
                log.warning("stream_rights_unreadable", error=repr(error)[:200])
                if loop.time() - self._seen_at > BLIND_SECONDS:
                    for guest in self.guests:
                        guest.reader.close(UNAVAILABLE)


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, Door] = WeakKeyDictionary()


def door() -> Door:
    """Return the door of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _doors:
        _doors[loop] = Door()
    return _doors[loop]
