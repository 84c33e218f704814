"""The peers of `make bench-peers`: an environment for each, its worker where it has one, and its times."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.load import stage

HERE = Path(__file__).resolve().parent
HOMES = stage.ROOT / "var" / "bench"
DATABASE = f"{stage.DATABASE}_peers"
INSTALL_SECONDS = 600
RUN_SECONDS = 120
START_SECONDS = 5.0


class Skipped(Exception):
    """The peer takes no part; the sentence says why."""


@dataclass(frozen=True)
class Peer:
    """Who is measured: what is installed, its script here, and the command of its workers (first word: its tool)."""

    name: str
    title: str
    packages: tuple[str, ...]
    script: str
    worker: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        return HOMES / self.name

    @property
    def is_installed(self) -> bool:
        stamp = self.home / "installed"
        return stamp.exists() and stamp.read_text() == " ".join(self.packages)


PEERS = (
    Peer(
        "dramatiq",
        "Dramatiq",
        ("dramatiq[redis]>=2,<3",),
        "on_dramatiq.py",
        ("dramatiq", "on_dramatiq", "-p", "2", "-t", "8"),
    ),
    Peer("dbos", "DBOS", ("dbos", "psycopg[binary]"), "on_dbos.py"),
    Peer(
        "langgraph",
        "LangGraph",
        ("langgraph", "langgraph-checkpoint-postgres", "psycopg[binary,pool]"),
        "on_langgraph.py",
    ),
)


def install(peer: Peer) -> None:
    """Make the peer's environment unless it is there. Raises Skipped."""
    if peer.is_installed:
        return
    print(f"Installing {peer.title} into {peer.home.relative_to(stage.ROOT)} …", flush=True)
    try:
        venv.create(peer.home, with_pip=True, clear=True)
        command = [str(peer.home / "bin" / "pip"), "install", "--quiet", *peer.packages]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise Skipped(f"{peer.title} cannot be installed: {type(error).__name__}.") from error
    if done.returncode:
        raise Skipped(f"{peer.title} cannot be installed: {last_line(done.stderr)}")
    (peer.home / "installed").write_text(" ".join(peer.packages))


def environment(services: Mapping[str, str]) -> dict[str, str]:
    """Return what a peer's processes are told; nothing of the product's is among it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(HERE), **services}


def services() -> dict[str, str]:
    """Return where a peer finds Redis, its own empty database, and the model."""
    return {
        "PEER_REDIS": os.environ["PLAIN_BROKER"],
        "PEER_DATABASE": f"{stage.database_server().replace('postgres://', 'postgresql://', 1)}/{DATABASE}",
        "MODEL_PORT": str(stage.MODEL_PORT),
    }


@contextmanager
def started(peer: Peer, told: dict[str, str]) -> Iterator[None]:
    """Run the peer's workers, if it has any, until the block ends. Raises Skipped."""
    if not peer.worker:
        yield
        return
    command = [str(peer.home / "bin" / peer.worker[0]), *peer.worker[1:]]
    try:
        child = subprocess.Popen(
            command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise Skipped(f"{peer.title} cannot be started: {error}.") from error
    try:
        time.sleep(START_SECONDS)
        if child.poll() is not None:
            raise Skipped(f"{peer.title} cannot be started: its workers ended with {child.returncode}.")
        yield
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


def seconds(peer: Peer, told: dict[str, str], shape: str, size: int, repeats: int) -> list[float]:
    """Have the peer do the work, started by a client of its own; return the seconds. Raises Skipped."""
    python = peer.home / "bin" / "python"
    command = [str(python), str(HERE / peer.script), shape, str(size), str(repeats)]
    try:
        done = subprocess.run(
            command, check=False, env=told, capture_output=True, text=True, timeout=RUN_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"{peer.title} took longer than {RUN_SECONDS} s for {size} × {shape}.") from None
    except OSError as error:
        raise Skipped(f"{peer.title} cannot be started: {error}.") from error
    if done.returncode:
        raise Skipped(f"{peer.title} failed with {size} × {shape}: {last_line(done.stderr)}")
    return [float(one) for one in json.loads(done.stdout.strip().splitlines()[-1])]


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing."
