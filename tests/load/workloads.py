"""The workloads of `make bench`: what each starts, and how the client outside notices its end."""

from __future__ import annotations

import json
import os
import statistics
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from tests.load import stage
from tests.load.peers.work import fibo, timed

HELD_EACH = 0.02
"""Seconds that an answer of W8 takes longer for each run, so that the last begins before the first ends."""


@dataclass(frozen=True)
class Workload:
    """One line of the table: what the product runs, and the shape and size that the others run."""

    id: str
    title: str
    ours: Callable[[], None]
    shape: str
    size: int
    ideal: Callable[[], float] | None = None


class Bench:
    def __init__(self) -> None:
        call_command("migrate", verbosity=0)
        from apps.accounts.models import Membership, Role, Team, User

        self.user = User.objects.create_user("bench", "bench@example.org")
        self.team = Team.objects.create(name="Bench", slug="bench")
        Membership.objects.create(user=self.user, team=self.team, role=Role.OWNER)

    def publish(self, name: str, definition: dict[str, object]) -> Any:
        from apps.workflows.actions import create_workflow, publish

        workflow = create_workflow(team=self.team, name=name, definition=definition, by=self.user)
        publish(workflow=workflow, by=self.user)
        workflow.refresh_from_db()
        return workflow

    def wait_for_workers(self, count: int) -> None:
        from apps.runs.models import Worker

        deadline = time.monotonic() + 60
        while Worker.objects.count() < count:
            if time.monotonic() > deadline:
                raise SystemExit("The workers did not start; see their logs.")
            time.sleep(0.1)

    def run(self, workflow: Any, count: int = 1, look: Callable[[], None] = lambda: None) -> None:
        """Start runs and wait until all have succeeded, looking on now and then."""
        from apps.runs.actions import start_run
        from apps.runs.models import Run

        started = [start_run(workflow=workflow, input={}, by=self.user).pk for _ in range(count)]
        deadline = time.monotonic() + 120
        while (left := Run.objects.filter(workflow=workflow, finished_at=None).count()) > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{workflow.name}: {left} of {count} runs did not end.")
            look()
            time.sleep(0.002 if count == 1 else 0.02)
        if Run.objects.filter(pk__in=started).exclude(status="succeeded").exists():
            raise SystemExit(f"{workflow.name}: not every run succeeded.")

    def workloads(self) -> list[Workload]:
        sequence = self.publish("chain", stage.chain_of(200))
        fibo = self.publish("fibo", stage.chain_of(40, "bench.fibo", n=10))
        heavy = self.publish("heavy", stage.chain_of(10, "bench.fibo", n=33))
        fan = self.publish("fan", stage.fan_of(1000))
        each = self.publish("map", stage.map_of(1000))
        shape = self.publish("diamond", stage.diamond())
        three = self.publish("three", stage.chain_of(3))
        self.connect_model()
        streams = self.publish("streams", stage.streams_of(1000))
        return [
            Workload("W4", "chain of 200 no-ops", lambda: self.run(sequence), "chain", 200),
            Workload("W1", "40 sequential fibo(10)", lambda: self.run(fibo), "fibo", 40),
            Workload("W2", "10 sequential fibo(33)", lambda: self.run(heavy), "heavy", 10, _ten_fibo),
            Workload("W3", "fan-out of 1,000 nodes and join", lambda: self.run(fan), "fan", 1000),
            Workload("W3", "map over 1,000 items and join", lambda: self.run(each), "fan", 1000),
            Workload("W5", "100 diamonds at once", lambda: self.run(shape, 100), "diamonds", 100),
            Workload(
                "W6",
                "1,000 LLM streams of 2 s and join",
                lambda: self.run(streams),
                "streams",
                1000,
                lambda: 2.0,
            ),
            Workload("W12", "3 sequential no-ops", lambda: self.run(three), "chain", 3),
            Workload("W12", "3 sequential no-ops, 200 at once", lambda: self.run(three, 200), "chains", 200),
        ]

    def connect_model(self) -> None:
        """Make the benchmark's model the team's own."""
        from apps.agents.actions import create_connection

        create_connection(
            team=self.team,
            name="Model",
            dialect="openai",
            base_url=f"http://127.0.0.1:{stage.MODEL_PORT}/v1",
            default_model="stream-2",
            by=self.user,
        )

    def print_in_flight(self, count: int) -> None:
        """W8: runs of one LLM node in flight at once in one llm worker: memory of a call, database connections."""
        from apps.runs.models import Worker

        Worker.objects.all().delete()
        seconds = 2 + round(count * HELD_EACH)
        warm = self.publish("warm", stage.one_stream("stream-1"))
        workflow = self.publish("flight", stage.one_stream(f"stream-{seconds}"))
        os.environ["ORCHESTRA_LLM_SLOTS"] = str(max(1000, count))
        options = ("--pool=custom", "-c", str(max(1000, count)), "-Q", "llm,io,control")
        with stage.model_server(), stage.celery_worker(*options) as worker:
            self.wait_for_workers(1)
            self.run(warm, 10)
            gauge = Gauge(worker.pid)
            self.run(workflow, count, look=gauge.look)
        each = (gauge.memory - gauge.before) / max(1, gauge.peak) / 1024
        print(
            f"W8 {count} runs of one LLM node of {seconds} s: all succeeded, {gauge.peak} calls at once, "
            f"{each:.0f} KB of memory each, {gauge.connections} database connections of the worker",
            flush=True,
        )

    def print_latency(self, count: int = 50) -> None:
        """W7: from the API call to the first instruction of the function of a run's only node, on an idle system."""
        from apps.accounts.actions import create_api_key
        from apps.runs.models import NodeRun

        workflow = self.publish("one", stage.chain_of(1, "bench.now"))
        _key, secret = create_api_key(user=self.user, team=self.team, name="bench", scopes=["run", "read"])
        with (
            stage.process("daphne", "-p", str(stage.WEB_PORT), "orchestra.asgi:application"),
            stage.celery_worker(*stage.LOOP),
            stage.celery_worker(*stage.CPU),
        ):
            self.wait_for_workers(2)
            _wait_for_web()
            seconds = []
            for _ in range(count + 5):
                called = time.time()
                run = _post(f"/api/v1/workflows/{workflow.slug}/runs", {"input": {}}, secret)["id"]
                seconds.append(_called_at(NodeRun, run) - called)
                time.sleep(0.05)
        seconds = sorted(seconds[5:])
        p50, p95 = statistics.median(seconds), seconds[int(len(seconds) * 0.95) - 1]
        print(f"W7 start latency, POST to first node: p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms")


class Gauge:
    """The most that was seen of a worker: memory (bytes), its database connections, calls that its model had."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.before = self.memory = self._memory_now()
        self.connections = self.peak = 0
        stage.model_peak()

    def look(self) -> None:
        self.memory = max(self.memory, self._memory_now())
        self.peak = max(self.peak, stage.model_peak())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [stage.DATABASE],
            )
            self.connections = max(self.connections, cursor.fetchone()[0])
        time.sleep(0.2)

    def _memory_now(self) -> int:
        pages = Path(f"/proc/{self.worker}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _ten_fibo() -> float:
    """Return the seconds of the bare work of W2."""
    return sum(timed(fibo, 33) for _ in range(10))


def _called_at(model: Any, run: str) -> float:
    """Return when the function of a run's only node was called, as it says itself."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        at = model.objects.filter(run_id=run).values_list("output", flat=True).first()
        if at is not None:
            return float(at)
        time.sleep(0.005)
    raise SystemExit(f"Run {run} did not end.")


def _post(path: str, body: dict[str, object], secret: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stage.WEB_PORT}{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _wait_for_web() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{stage.WEB_PORT}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(
        f"The web process did not answer on port {stage.WEB_PORT}; see its log in {os.environ['ORCHESTRA_VAR']}."
    )
