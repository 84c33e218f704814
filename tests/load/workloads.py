"""The workloads of `make bench`: what each starts, and how the client outside notices its end."""

from __future__ import annotations

import json
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management import call_command

from tests.load import stage

WEB_PORT = 8765


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

    def run(self, workflow: Any, count: int = 1) -> None:
        """Start runs and wait until all have succeeded."""
        from apps.runs.actions import start_run
        from apps.runs.models import Run

        started = [start_run(workflow=workflow, input={}, by=self.user).pk for _ in range(count)]
        deadline = time.monotonic() + 120
        while True:
            open_runs = Run.objects.filter(pk__in=started).exclude(status="succeeded")
            left = list(open_runs.values_list("status", flat=True))
            if not left:
                return
            if time.monotonic() > deadline or "failed" in left:
                raise SystemExit(f"{workflow.name}: {len(left)} of {count} runs did not succeed: {left[:3]}")
            time.sleep(0.002 if count == 1 else 0.01)

    def workloads(self) -> Iterator[tuple[str, str, Callable[[], None], tuple[str, int]]]:
        chain = self.publish("chain", stage.chain_of(200))
        yield "W4", "chain of 200 no-ops", lambda: self.run(chain), ("chain", 200)
        fibo = self.publish("fibo", stage.chain_of(40, "fibo", n=10))
        yield "W1", "40 sequential fibo(10)", lambda: self.run(fibo), ("fibo", 40)
        fan = self.publish("fan", stage.fan_of(1000))
        yield "W3", "fan-out of 1,000 nodes and join", lambda: self.run(fan), ("fan", 1000)
        each = self.publish("map", stage.map_of(1000))
        yield "W3", "map over 1,000 items and join", lambda: self.run(each), ("fan", 1000)
        shape = self.publish("diamond", stage.diamond())
        yield "W5", "100 diamonds at once", lambda: self.run(shape, 100), ("diamonds", 100)
        three = self.publish("three", stage.chain_of(3))
        yield "W12", "3 sequential no-ops", lambda: self.run(three), ("chain", 3)
        yield (
            "W12",
            "3 sequential no-ops, 200 at once",
            lambda: self.run(three, 200),
            ("chains", 200),
        )

    def print_latency(self, count: int = 50) -> None:
        """W7: from the API call to the first node's first instruction, on an idle system."""
        from apps.accounts.actions import create_api_key
        from apps.runs.models import NodeRun

        workflow = self.publish("one", stage.chain_of(1))
        _key, secret = create_api_key(user=self.user, team=self.team, name="bench", scopes=["run", "read"])
        with (
            stage.process("daphne", "-p", str(WEB_PORT), "orchestra.asgi:application"),
            stage.celery_worker(*stage.LOOP),
            stage.celery_worker(*stage.CPU),
        ):
            self.wait_for_workers(2)
            _wait_for_web()
            seconds = []
            for _ in range(count + 5):
                called = time.time()
                run = _post(f"/api/v1/workflows/{workflow.slug}/runs", {"input": {}}, secret)["id"]
                seconds.append(_started_at(NodeRun, run) - called)
                time.sleep(0.05)
        seconds = sorted(seconds[5:])
        p50, p95 = statistics.median(seconds), seconds[int(len(seconds) * 0.95) - 1]
        print(f"W7 start latency, POST to first node: p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms")


def _started_at(model: Any, run: str) -> float:
    while True:
        at = model.objects.filter(run_id=run).values_list("started_at", flat=True).first()
        if at is not None:
            return float(at.timestamp())
        time.sleep(0.005)


def _post(path: str, body: dict[str, object], secret: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{WEB_PORT}{path}",
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
            with urllib.request.urlopen(f"http://127.0.0.1:{WEB_PORT}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(
        f"The web process did not answer on port {WEB_PORT}; see its log in {os.environ['ORCHESTRA_VAR']}."
    )
