"""A worker that comes back: frozen in mid-node until others have its work, thawed while and after they do it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.real.effects import World
from tests.faults.real.fleet import Fleet
from tests.faults.real.outside import FINAL, Client, Fault

SHAPE = "held"
RUNS = 6
"""With two workers one of them holds three at least."""

PATIENCE_SECONDS = 90.0
MOST_CALLS = 4
"""Of a node; so many are let go at the end."""


@dataclass
class Zombies:
    client: Client
    world: World
    fleet: Fleet
    slug: str
    runs: list[str] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)

    def play(self, is_noticed: Callable[[Sequence[str]], bool], seconds: float) -> None:
        """Have a worker come back, and wait until that is noticed of one of the runs, at most so long."""
        self.runs = [
            str(self.client.call("POST", f"workflows/{self.slug}/runs", {"input": {}})["id"])
            for _ in range(RUNS)
        ]
        self._await_calls(self.runs, 1)
        name, held = self._pick()
        for run in set(self.runs) - set(held):
            self._let_go(run)
        began = time.time()
        self.fleet.freeze(name)
        try:
            for run in held:
                self.world.may_answer(f"{run}/a", 1).set()
            self._await_calls(held, 2)
            done = held[::2]
            for run in done:
                self.world.may_answer(f"{run}/a", 2).set()
            self._await(lambda: all(self._node(run)["status"] == "succeeded" for run in done))
        finally:
            self.fleet.thaw(name)
        self.struck.append((f"comeback of {name}", began, time.time()))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not is_noticed(held):
            time.sleep(0.5)
        for run in held:
            self._let_go(run)

    def await_end(self) -> None:
        """Return when the runs have ended."""
        self._await(
            lambda: all(self.client.call("GET", f"runs/{run}")["status"] in FINAL for run in self.runs)
        )

    def _pick(self) -> tuple[str, Sequence[str]]:
        """Return the process that runs most of the nodes, and whose runs those are."""
        runs: Mapping[str, list[str]] = defaultdict(list)
        for run in self.runs:
            runs[self.fleet.find(self._node(run)["worker"])].append(run)
        return max(runs.items(), key=lambda entry: len(entry[1]))

    def _node(self, run: str) -> Mapping[str, str]:
        node: Mapping[str, str] = self.client.call("GET", f"runs/{run}/nodes/a")
        return node

    def _await_calls(self, runs: Sequence[str], count: int) -> None:
        for run in runs:
            if not self.world.await_calls(f"{run}/a", count, PATIENCE_SECONDS):
                raise RuntimeError(f"Call {count} of {run}/a never came.")

    def _await(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.5)

    def _let_go(self, run: str) -> None:
        for path in ("a", "b"):
            for count in range(1, MOST_CALLS + 1):
                self.world.may_answer(f"{run}/{path}", count).set()
