"""Which processes an installation has: their command lines, their environment, the drivers they use.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from orchestra import env
from workers import embedded
from workers.children import Child

QUEUES = ("llm", "io", "cpu", "control")
WEB = ("-m", "daphne", "--verbosity", "0", "--fd", "{door}", "orchestra.asgi:application")
WORKER = (
    *("-m", "celery", "-A", "orchestra.celery", "worker", "--pool=custom", "-c", "1000"),
    *("-Q", ",".join(QUEUES)),
    *("-n", "{name}@%h", "--without-gossip", "--without-mingle", "--loglevel=WARNING"),
)
GRPC = (str(env.ROOT / "manage.py"), "agentgrpc", "--host")
"""Remote agents over gRPC, where ORCHESTRA_GRPC_PORT asks for it."""
WORKER_ENVIRONMENT = {
    "CELERY_CUSTOM_WORKER_POOL": "workers.pool:LoopPool",
    "ORCHESTRA_ROLE": "worker",
    "ORCHESTRA_UPKEEP": "1",
}


class Options(NamedTuple):
    """What the person who starts the installation chooses."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    then: Sequence[str] = ()
    """Arguments of Python for one more process, started once the first page is there (the demo's sample)."""

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the product."""
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://{f'[{name}]' if ':' in name and not name.startswith('[') else name}:{self.port}/"


class Layout(NamedTuple):
    """The processes of one installation."""

    broker: Child | None
    web: Child
    workers: tuple[Child, ...]
    guest: Child | None
    socket: Path
    door: socket.socket | None = None
    """Where the web process listens: opened before it, kept while it is started again."""

    @property
    def serving(self) -> tuple[Child, ...]:
        """Those that need the broker."""
        return (self.web, *self.workers)


def make_layout(options: Options, var: Path, door: socket.socket) -> Layout:
    """Return the processes for these options; the web process listens at `door`.

    Raises NoServer when the embedded broker has no binary.
    """
    logs = var / "log"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = {
        "PROMETHEUS_MULTIPROC_DIR": str(fresh_metrics(var)),
        **os.environ,
        "ORCHESTRA_VAR": str(var),
        "DJANGO_SETTINGS_MODULE": "orchestra.settings",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(env.ROOT), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
    }

    def python(
        name: str, words: Sequence[str], extra: Mapping[str, str] | None = None, keeps: Sequence[int] = ()
    ) -> Child:
        filled = [word.format(door=door.fileno(), name=name) for word in words]
        command = [sys.executable, "-P", *filled]
        log = logs / f"{name}.log"
        return Child(name, command, {**base, **(extra or {})}, log, is_shown=name == "guest", keeps=keeps)

    listens_at = env.embedded_socket(var)
    return Layout(
        broker=_broker(listens_at, var, logs) if embedded_broker(var) else None,
        web=python("web", WEB, keeps=[door.fileno()]),
        workers=(
            *(
                python(f"worker{number}", WORKER, WORKER_ENVIRONMENT)
                for number in range(1, options.workers + 1)
            ),
            *([python("grpc", (*GRPC, options.host))] if env.number("ORCHESTRA_GRPC_PORT", 0) else ()),
        ),
        guest=python("guest", options.then) if options.then else None,
        socket=listens_at,
        door=door,
    )


def fresh_metrics(var: Path) -> Path:
    """Return the folder in which the processes keep their metrics for each other, emptied of what ended ones left."""
    folder = var / "run" / "metrics"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink(missing_ok=True)
    return folder


def embedded_broker(var: Path) -> Path | None:
    """Return the socket of the embedded broker, or None where BROKER_URL names another."""
    return None if env.text("BROKER_URL") else env.embedded_socket(var)


def drivers() -> dict[str, str]:
    """Name the drivers in use, without addresses or passwords."""
    broker = urlsplit(env.text("BROKER_URL")).scheme
    redis = urlsplit(env.text("REDIS_URL")).scheme or (broker if broker.startswith("redis") else "")
    database = urlsplit(env.text("DATABASE_URL")).scheme
    return {
        "database": "postgresql" if database.startswith("postgres") else "sqlite",
        "broker": broker or "embedded",
        "redis": redis or ("none" if broker else "embedded"),
    }


def _broker(listens_at: Path, var: Path, logs: Path) -> Child:
    data = var / "valkey"
    words = embedded.command(embedded.find_server(), listens_at, data)
    embedded.prepare(listens_at, data)
    return Child("valkey", words, {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}, logs / "valkey.log")
