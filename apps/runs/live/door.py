"""Who is connected: how many at most, and out they go within seconds when they may no longer look."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
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


@dataclass(slots=True)
class Guest:
    """One open connection: who it speaks for, and the teams whose data it gets."""

    credential: Credential
    teams: set[str]


class Door:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self.guests: dict[Reader, Guest] = {}
        self._per_user: Counter[str] = Counter()
        self._standing = Standing()
        self._watching: asyncio.Future[None] | None = None
        self._seen_at = 0.0

    def enter(self, reader: Reader, credential: Credential, teams: set[str]) -> Guest:
        """Let a connection in. Raises LimitReached when this person, or everybody together, has too many."""
        if self._per_user[credential.user_id] >= settings.ORCHESTRA_STREAMS_PER_USER:
            raise LimitReached("You have too many open streams; close one.", retry_after=RETRY_SECONDS)
        if len(self.guests) >= settings.ORCHESTRA_STREAMS:
            raise LimitReached("The server has too many open streams.", retry_after=RETRY_SECONDS)
        self._per_user[credential.user_id] += 1
        self.guests[reader] = guest = Guest(credential, teams)
        if self._watching is None:
            self._seen_at = asyncio.get_running_loop().time()
            self._watching = asyncio.ensure_future(self._watch())
        return guest

    def leave(self, reader: Reader) -> None:
        """Note that a connection has ended, if it ever came in."""
        guest = self.guests.pop(reader, None)
        if guest is None:
            return
        self._per_user[guest.credential.user_id] -= 1
        if not self._per_user[guest.credential.user_id]:
            del self._per_user[guest.credential.user_id]
        if not self.guests and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def check(self) -> None:
        """Close the connections whose credential no longer holds, or whose teams are no longer theirs."""
        asked = {guest.credential for guest in self.guests.values()}
        teams = await in_database(self._standing.teams, asked)
        self._seen_at = asyncio.get_running_loop().time()
        for reader, guest in self.guests.items():
            if guest.credential not in asked:
                continue  # came in meanwhile
            mine = teams.get(guest.credential)
            if mine is None:
                reader.close(SIGNED_OUT)
            elif not guest.teams <= mine:
                reader.close(REVOKED)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except Exception as error:
                log.warning("stream_rights_unreadable", error=repr(error)[:200])
                if loop.time() - self._seen_at > BLIND_SECONDS:
                    for reader in self.guests:
                        reader.close(UNAVAILABLE)


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, Door] = WeakKeyDictionary()


def door() -> Door:
    """Return the door of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _doors:
        _doors[loop] = Door()
    return _doors[loop]
