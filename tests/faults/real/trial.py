"""One trial: runs are started while faults strike; when all is calm, each is judged, and the table is printed."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from orchestra.engine.plan import Plan
from tests.faults.breaking import BROKEN
from tests.faults.invariants import Seen
from tests.faults.real.effects import World
from tests.faults.real.fleet import Fleet
from tests.faults.real.outside import FINAL, Client, Person, judge, longest_rest, see
from tests.faults.real.script import SHORT, Dose, Meddler, Places, Script
from tests.faults.real.services import PostgreSQL, Redis
from tests.faults.real.shapes import shapes
from tests.faults.real.zombies import SHAPE, Zombies

REST_SECONDS = 30.0
CALM_SECONDS = 150.0
"""So long after the last fault everything has to have ended."""

START_SECONDS = 90.0
COMEBACK_SECONDS = 3.0
"""For what a worker that comes back has to say."""

NOTICED_SECONDS = 30.0
MOST_WIDE = 4


class Trial:
    def __init__(
        self,
        url: str,
        key: str,
        world: World,
        fleet: Fleet,
        database: PostgreSQL,
        broker: Redis,
        random: Random,
    ) -> None:
        self.client = Client(url, key)
        self.world = world
        self.fleet = fleet
        self.database = database
        self.broker = broker
        self.random = random
        self.plans: dict[str, Plan] = {}
        self.slugs: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.meddled: dict[str, Places] = {}

    def run(self, count: int, *, is_short: bool) -> int:
        """Return the exit code."""
        self._warm_up()
        person = Person(self.client, self.world, self.runs)
        meddler = Meddler(Random(self.random.random()), self.meddled)
        dose = SHORT if is_short else Dose()
        script = Script(self.random, dose, self.fleet, self.database, self.broker, person)
        starter = threading.Thread(target=self._start, args=(count, 1.2 if is_short else 1.0), daemon=True)
        for thread in (person, meddler, starter):
            thread.start()
        script.play()
        starter.join()
        calm_at = time.time()
        left = self._await_all()
        print(f"calm; {len(left)} runs unfinished after {time.time() - calm_at:.0f} s", flush=True)
        meddler.is_over = person.is_over = True
        self._let_one_come_back(script)
        return self._report(script, meddler, person)

    def run_broken(self) -> int:
        """Break the engine in each way, let a worker come back, and return 1 unless the checker notices each."""
        missed = [name for name in BROKEN if not self._is_noticed(name)]
        print("The checker notices every one." if not missed else f"The checker is blind to {missed}.")
        return 1 if missed else 0

    def _is_noticed(self, name: str) -> bool:
        word = BROKEN[name][1]
        told: list[str] = []

        def is_noticed(runs: Sequence[str]) -> bool:
            for run in runs:
                told.extend(line for line in judge(self._see(run, SHAPE), self.world) if word in line)
            return bool(told)

        self.fleet.break_engine(name)
        self._warm_up()
        self._zombies().play(is_noticed, NOTICED_SECONDS)
        print(f"broken on purpose, {name}: {told[0] if told else 'nothing noticed'}", flush=True)
        return bool(told)

    def publish(self) -> None:
        """Make the workflows."""
        for name, definition in shapes(self.world.port).items():
            self.slugs[name], self.plans[name] = self.client.publish(f"Fault {name}", definition)

    def _let_one_come_back(self, script: Script) -> None:
        """Freeze a worker until others have its work, once more and slowly: its runs are judged with the others."""
        zombies = self._zombies()
        zombies.play(lambda _runs: False, COMEBACK_SECONDS)
        zombies.await_end()
        script.struck += zombies.struck
        self.runs.update(dict.fromkeys(zombies.runs, SHAPE))

    def _zombies(self) -> Zombies:
        return Zombies(self.client, self.world, self.fleet, self.slugs[SHAPE])

    def _see(self, run: str, shape: str) -> Seen:
        return see(self.client, run, shape, self.plans[shape])

    def _warm_up(self) -> None:
        """Return when every kind of worker has done something. Raises RuntimeError when they do not."""
        run = self.client.call("POST", f"workflows/{self.slugs['diamond']}/runs", {"input": {}})["id"]
        deadline = time.monotonic() + START_SECONDS
        while self.client.call("GET", f"runs/{run}")["status"] != "succeeded":
            if time.monotonic() > deadline:
                raise RuntimeError("The workers do nothing; look at their logs (FAULTS_KEEP=1).")
            time.sleep(0.5)

    def _start(self, count: int, pause: float) -> None:
        names = [name for name in self.slugs if name not in ("wide", SHAPE)]
        chosen = [
            names[number % len(names)] for number in range(count - MOST_WIDE // (1 if count > 50 else 4))
        ]
        chosen += ["wide"] * (count - len(chosen))
        Random(count).shuffle(chosen)
        for number, shape in enumerate(chosen):
            body = {"input": {}, "priority": number % 4}
            path = f"workflows/{self.slugs[shape]}/runs"
            run = self.client.call("POST", path, body, key=f"run-{number}", patience=180)["id"]
            plan = self.plans[shape]
            self.runs[run] = shape
            self.meddled[run] = [(segment.nodes[0], segment.queue) for segment in plan.segments]
            time.sleep(pause)

    def _await_all(self) -> list[str]:
        left = list(self.runs)
        deadline = time.monotonic() + CALM_SECONDS
        while left and time.monotonic() < deadline:
            time.sleep(1)
            left = [run for run in left if self.client.call("GET", f"runs/{run}")["status"] not in FINAL]
        return left

    def _report(self, script: Script, meddler: Meddler, person: Person) -> int:
        faults: list[str] = []
        table: dict[str, Counter[str]] = defaultdict(Counter)
        rests: dict[str, float] = defaultdict(float)
        for run, shape in self.runs.items():
            seen = self._see(run, shape)
            found = judge(seen, self.world)
            rest = longest_rest(seen, script.struck)
            rests[shape] = max(rests[shape], rest)
            if rest > REST_SECONDS:
                found.append(f"{seen.name}: nothing happened for {rest:.0f} s after a fault")
            table[shape].update(
                {"runs": 1, seen.run["status"]: 1, "nodes": len(seen.nodes), "wrong": bool(found)}
            )
            faults += found
        print(
            f"\n{'shape':10} {'runs':>5} {'succeeded':>9} {'node runs':>9} {'wrong':>6} {'longest rest s':>15}"
        )
        for shape, row in table.items():
            counts = f"{row['runs']:5} {row['succeeded']:9} {row['nodes']:9} {row['wrong']:6}"
            print(f"{shape:10} {counts} {rests[shape]:15.1f}")
        kinds = Counter(name.rpartition(" ")[0] or name for name, _start, _end in script.struck)
        print(
            f"faults: {dict(kinds)}; {meddler.sent} messages doubled or out of order; {person.asked} effects asked"
        )
        for sentence in faults[:40]:
            print(f"WRONG {sentence}"[:600])
        print("Everything held." if not faults else f"{len(faults)} things do not hold.")
        return 1 if faults else 0
