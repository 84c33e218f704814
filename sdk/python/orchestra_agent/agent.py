"""A remote agent: it registers, keeps one connection, works on what it is given, and answers each exactly once.

What it works on outlives a lost connection: it connects again, names what it holds, and sends results until they are
acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from orchestra_agent.assignment import Assignment, Failed, Refused, read_assignment
from orchestra_agent.links import Door, HttpDoor, KeyEnded, Link, Registration, Replaced, Unreachable
from orchestra_agent.machine import resources

log = logging.getLogger("orchestra_agent")

Handler = Callable[[Assignment], Awaitable[Any]]
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
BEAT_SECONDS = 5.0
"""Until the installation has said how often it wants a sign of life."""


class Agent:
    """One agent. `run()` works until it is told to stop by SIGTERM or SIGINT, or is not let in any more."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        name: str,
        capabilities: Sequence[str] = (),
        slots: int = 1,
        description: str = "",
        version: str = "",
        door: Door | None = None,
    ) -> None:
        self.registration = Registration(name, capabilities, slots, description, version)
        self.key = ""
        self._token = token
        self._door = door or HttpDoor(url)
        self._handler: Handler | None = None
        self._link: Link | None = None
        self._beat_seconds = BEAT_SECONDS
        self._work: dict[str, tuple[Assignment, asyncio.Task[None]]] = {}
        self._ends: dict[str, dict[str, Any]] = {}
        """Results that the installation has not acknowledged, by assignment."""
        self._is_draining = False
        self._is_idle = asyncio.Event()

    def handler(self, function: Handler) -> Handler:
        """Let this coroutine function do the assignments; what it returns is the output. Usable as a decorator."""
        self._handler = function
        return function

    def run(self) -> None:
        """Work until told to stop. Raises NotLetIn, Replaced."""
        asyncio.run(self.work(with_signals=True))

    async def work(self, *, with_signals: bool = False) -> None:
        """Work until `drain` has been called and everything is finished. Raises NotLetIn, Replaced."""
        if with_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.drain)
        pause = FIRST_PAUSE
        try:
            while not (self._is_draining and self._has_finished):
                try:
                    await self._connected()
                    pause = FIRST_PAUSE
                except Unreachable as error:
                    log.warning("not connected (%s); trying again", error)
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  (no secret)
                    pause = min(2 * pause, LONGEST_PAUSE)
                except KeyEnded:
                    self.key = ""
        finally:
            for _assignment, task in list(self._work.values()):
                task.cancel()
            await self._door.close()

    def drain(self) -> None:
        """Take nothing new, finish what is at work, then stop; called again: give back what is at work."""
        if self._is_draining:
            for _assignment, task in self._work.values():
                task.cancel()
        self._is_draining = True
        self._note_idle()
        log.info("draining: %d at work", len(self._work))

    @property
    def _has_finished(self) -> bool:
        return not self._work and not self._ends

    async def _connected(self) -> None:
        """Register if that is needed, connect, and talk until the connection ends or everything is finished."""
        if not self.key:
            self.key = await self._door.register(self._token, self.registration)
        self._link = link = await self._door.connect(self.key)
        try:
            await link.send({"type": "hello", **self._report()})
            for end in list(self._ends.values()):
                await link.send(end)
            log.info("connected as %s", self.registration.name)
            parts = [self._listen(link), self._beat(link), self._until_finished()]
            tasks = [asyncio.ensure_future(part) for part in parts]
            done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for task in done:
                task.result()
        finally:
            self._link = None
            with suppress(Exception):
                await link.close()

    async def _listen(self, link: Link) -> None:
        while True:
            message = await link.receive()
            kind = message.get("type")
            if kind == "assignment":
                self._take(message)
            elif kind == "cancel":
                self._cancel(str(message["id"]))
            elif kind == "ack":
                self._ends.pop(str(message["id"]), None)
                if not message.get("accepted"):
                    log.warning("the result of %s came too late and was refused", message["id"])
                self._note_idle()
            elif kind == "welcome":
                self._beat_seconds = float(message["beat_seconds"])
            elif kind == "error":
                log.error("the installation says: %s", message.get("message"))
                self._ends.pop(str(message.get("about")), None)

    async def _beat(self, link: Link) -> None:
        while True:
            await asyncio.sleep(min(self._beat_seconds, 1.0 if self._is_draining else self._beat_seconds))
            await link.send({"type": "beat", **self._report()})

    async def _until_finished(self) -> None:
        while not (self._is_draining and self._has_finished):
            self._is_idle.clear()
            await self._is_idle.wait()

    def _report(self) -> dict[str, Any]:
        held = {one.id: one.fence for one, _task in self._work.values()}
        held |= {str(end["id"]): int(end["fence"]) for end in self._ends.values()}
        return {
            "held": [{"id": pk, "fence": fence} for pk, fence in held.items()],
            "slots": self.registration.slots,
            "draining": self._is_draining,
            "resources": resources(),
        }

    def _take(self, message: Mapping[str, Any]) -> None:
        assignment = read_assignment(message, self._send)
        before = self._work.get(assignment.id)
        if before is not None and before[0].fence == assignment.fence:
            return
        if before is not None:
            before[1].cancel()
        self._ends.pop(assignment.id, None)
        task = asyncio.ensure_future(self._do(assignment))
        self._work[assignment.id] = (assignment, task)

    def _cancel(self, pk: str) -> None:
        self._ends.pop(pk, None)
        if pk in self._work:
            log.info("cancelled: %s", pk)
            self._work.pop(pk)[1].cancel()
        self._note_idle()

    async def _do(self, assignment: Assignment) -> None:
        """Work on one assignment and keep its end until it is acknowledged."""
        log.info("at work: %s %s", assignment.id, assignment.path)
        end = await self._end_of(assignment)
        if self._work.get(assignment.id, (None,))[0] is not assignment:
            return  # cancelled, or given anew
        del self._work[assignment.id]
        end |= {"id": assignment.id, "fence": assignment.fence, "usage": assignment.usage}
        self._ends[assignment.id] = end
        await self._send(end)

    async def _end_of(self, assignment: Assignment) -> dict[str, Any]:
        if self._handler is None:
            return {"type": "nack"}
        try:
            return {"type": "done", "output": await self._handler(assignment)}
        except asyncio.CancelledError:
            return {"type": "nack"}
        except Refused:
            return {"type": "nack"}
        except Failed as error:
            return {"type": "failed", "error": {"message": str(error), "transient": error.is_transient}}
        except Exception as error:
            log.exception("the handler failed on %s", assignment.id)
            return {
                "type": "failed",
                "error": {"message": f"{type(error).__name__}: {error}", "transient": False},
            }

    async def _send(self, message: Mapping[str, Any]) -> None:
        """Send now if there is a connection; ends are sent again at the next one, texts and progress are lost."""
        if self._link is not None:
            with suppress(Unreachable):
                await self._link.send(message)

    def _note_idle(self) -> None:
        if self._has_finished:
            self._is_idle.set()


__all__ = ["Agent", "Replaced"]
