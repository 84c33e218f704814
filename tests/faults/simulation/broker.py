"""A broker that loses, doubles and reorders: the real canvases as messages, the chord's counters, a flush of it all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celery.canvas import Signature, _chain, _chord, group

from orchestra.celery import QUEUES, BrokerAway
from tests.faults.simulation.chance import Chance
from tests.faults.simulation.clock import VirtualLoop


@dataclass(frozen=True)
class Arrival:
    """What follows a member of a chord's header: the counter, then the body."""

    chord: int
    member: int
    size: int
    body: tuple[Any, ...]


@dataclass(frozen=True)
class Message:
    id: int
    name: str
    queue: str
    arguments: dict[str, Any]
    then: tuple[Any, ...]
    """What Celery sends when this task has ended."""


class LossyBroker:
    def __init__(self, loop: VirtualLoop, chance: Chance) -> None:
        self.loop = loop
        self.chance = chance
        self.is_away = False
        self.queues: dict[str, list[Message]] = {name: [] for name in QUEUES}
        self.arrived: dict[int, set[int]] = defaultdict(set)
        self.wake: Callable[[], None] = lambda: None
        self._ids = 0
        self._remembers = True

    def send(self, signature: Signature, then: tuple[Any, ...] = ()) -> None:
        """Take a canvas apart as Celery does, and put what starts it on the wire. Raises BrokerAway."""
        if self.is_away:
            raise BrokerAway("The simulated broker is away.")
        if isinstance(signature, _chain):
            first, *rest = signature.tasks
            self.send(first, (*rest, *then))
        elif isinstance(signature, _chord):
            self._send_header(signature.tasks, (signature.body, *then))
        elif isinstance(signature, group):
            if then:
                self._send_header(signature.tasks, then)
            else:
                for member in signature.tasks:
                    self.send(member)
        else:
            options = signature.options
            self.put(signature.task, options["queue"], dict(signature.kwargs), then)

    def _send_header(self, members: Sequence[Signature], body: tuple[Any, ...]) -> None:
        chord = self._next_id()
        for number, member in enumerate(members):
            self.send(member, (Arrival(chord, number, len(members), body),))

    def put(self, name: str, queue: str, arguments: dict[str, Any], then: tuple[Any, ...] = ()) -> None:
        if self.is_away:
            raise BrokerAway("The simulated broker is away.")
        message = Message(self._next_id(), name, queue, arguments, then)
        if self.chance.strikes("message lost", self.chance.odds.lost):
            return
        copies = 2 if self.chance.strikes("message doubled", self.chance.odds.doubled) else 1
        for _ in range(copies):
            delay = self.chance.random.uniform(0.001, 0.02)
            if self.chance.strikes("message late", self.chance.odds.late):
                delay = self.chance.random.uniform(0.5, 12.0)
            self.loop.call_later(delay, self._arrive, message)

    def _arrive(self, message: Message) -> None:
        self.queues[message.queue].append(message)
        self.wake()

    def take(self, names: Sequence[str]) -> Message | None:
        """Hand out any message of these queues: no order is promised."""
        waiting = [name for name in names if self.queues[name]]
        if not waiting or self.is_away:
            return None
        queue = self.queues[self.chance.random.choice(waiting)]
        return queue.pop(self.chance.random.randrange(len(queue)))

    def follow(self, message: Message) -> None:
        """Send what follows a task that has ended, as the worker that ran it does."""
        if not message.then:
            return
        first, *rest = message.then
        if not isinstance(first, Arrival):
            self.send(first, tuple(rest))
            return
        members = self.arrived[first.chord]
        is_new = first.member not in members
        members.add(first.member)
        if is_new and len(members) == first.size:
            self.send(first.body[0], first.body[1:])

    def again(self, message: Message) -> None:
        """Deliver a message anew whose worker died with it."""
        self.loop.call_later(self.chance.random.uniform(1, 20), self._arrive, message)

    def flush(self) -> None:
        """Forget every message and every counter."""
        for queue in self.queues.values():
            queue.clear()
        self.arrived.clear()
        self._remembers = False

    def has_forgotten(self) -> bool:
        """Say whether it lost its memory since it was last asked, as its marker does."""
        if self.is_away:
            return False
        forgot, self._remembers = not self._remembers, True
        return forgot

    def has_backlog(self, queue: str) -> bool:
        return bool(self.queues[queue])

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids
