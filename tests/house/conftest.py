"""Fixtures of the tests that start processes: installations of stand-ins, ports, waiting."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workers.rundir import RunFolder

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30.0


class Installation:
    """A supervisor in a process of its own, with what it wrote and what it says about itself."""

    def __init__(self, var: Path, command: list[str], **environment: str) -> None:
        self.var = var
        self.output = var / f"output-{len(list(var.glob('output-*')))}.txt"
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "ORCHESTRA_VAR": str(var), **environment},
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def status(self) -> dict[str, Any]:
        return RunFolder(self.var).status()

    def is_ready(self) -> bool:
        status = self.status()
        return status.get("ready", False) and status["pid"] == self.process.pid

    def pid_of(self, name: str) -> int:
        return int((self.var / "run" / f"{name}.pid").read_text())

    def wait_until_ready(self) -> Installation:
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, self.said, 120)
        assert self.process.poll() is None, self.said()
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def destroy(self) -> None:
        """End everything that is still there, whatever the test did."""
        for pid in (self.process.pid, *RunFolder(self.var).leftovers()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)


def wait_until(holds: Any, explain: Any = str, patience: float = PATIENCE_SECONDS) -> None:
    """Return once `holds()` is true; fail with `explain()` when that takes longer than `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def install(tmp_path: Path, port: int) -> Any:
    """Return a function that starts an installation of stand-ins; all are ended after the test."""
    started: list[Installation] = []

    def start(web: str = "fine", worker: str = "fine") -> Installation:
        words = ["-m", "tests.house.stub_installation", str(tmp_path), str(port), web, worker]
        started.append(Installation(tmp_path, words))
        return started[-1]

    yield start
    for installation in started:
        installation.destroy()
