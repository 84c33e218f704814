"""The processes of an installation under fault: started as the Procfile does, killed, frozen, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.browser.product import ROOT

PAUSE_SECONDS = 1.0
"""Before a process that ended is started again, as a supervisor does."""

CELERY = ("-m", "celery", "-A", "orchestra.celery")
QUIET = ("-l", "INFO", "--without-gossip", "--without-mingle")
LOOP = ("worker", "--pool=custom", "-c", "1000", *QUIET)
FULL: Mapping[str, tuple[str, ...]] = {
    "llm-1": (*CELERY, *LOOP, "-Q", "llm,io", "-n", "llm1@%h"),
    "llm-2": (*CELERY, *LOOP, "-Q", "llm,io", "-n", "llm2@%h"),
    "cpu": (*CELERY, "worker", "--pool=prefork", "-c", "4", "-Q", "cpu", *QUIET, "-n", "cpu@%h"),
    "control": (*CELERY, "worker", "--pool=threads", "-c", "8", "-Q", "control", *QUIET, "-n", "control@%h"),
    "beat-1": (*CELERY, "beat", "-S", "workers.upkeep:UpkeepScheduler"),
    "beat-2": (*CELERY, "beat", "-S", "workers.upkeep:UpkeepScheduler"),
}
SHORT: Mapping[str, tuple[str, ...]] = {
    "llm-1": (*CELERY, *LOOP, "-Q", "llm,io,control", "-n", "llm1@%h"),
    "llm-2": (*CELERY, *LOOP, "-Q", "llm,io,control,cpu", "-n", "llm2@%h"),
    "beat-1": FULL["beat-1"],
}
WEB = ("-m", "daphne", "--verbosity", "0", "-b", "127.0.0.1", "-p", "{port}", "orchestra.asgi:application")


class Fleet:
    def __init__(self, folder: Path, environment: Mapping[str, str], port: int, *, is_short: bool) -> None:
        self.commands = {
            "web": tuple(word.format(port=port) for word in WEB),
            **(SHORT if is_short else FULL),
        }
        self.workers = [name for name in self.commands if name != "web" and not name.startswith("beat")]
        self._folder = folder
        self._environment = dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._is_over = False
        self._broken = ""
        self._watch = threading.Thread(target=self._look_after, name="fleet", daemon=True)

    def start(self) -> None:
        for name in self.commands:
            self._launch(name)
        self._watch.start()

    def kill(self, name: str) -> None:
        """kill -9 a process and its children; it is started again after a moment."""
        self._signal(name, signal.SIGKILL)

    def find(self, worker: str) -> str:
        """Return the name of the process that a lease's name tells of. Raises LookupError when it is gone."""
        pid = worker.rsplit("-", 2)[1] if worker else ""
        return {str(process.pid): name for name, process in list(self._processes.items())}[pid]

    def break_engine(self, how: str) -> None:
        """Start everything but the web again, with an engine broken as `tests.faults.breaking` says; "": whole."""
        self._broken = how
        for name in self.commands:
            if name != "web":
                self.kill(name)

    def freeze(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def stop(self) -> None:
        """End everything, with a word first."""
        self._is_over = True
        self._watch.join(10)
        for name in self._processes:
            self._signal(name, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for name, process in self._processes.items():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            self._signal(name, signal.SIGKILL)
            process.wait(10)

    def _launch(self, name: str) -> None:
        extra = {"ORCHESTRA_ROLE": "web" if name == "web" else "worker"}
        if name.startswith("llm"):
            extra["CELERY_CUSTOM_WORKER_POOL"] = "workers.pool:LoopPool"
        words = self.commands[name]
        if self._broken and words[:2] == CELERY[:2]:
            words = ("-m", "tests.faults.real.broken", self._broken, *words[2:])
        with (self._folder / f"{name}.log").open("ab") as sink:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={**self._environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                process_group=0,
            )

    def _signal(self, name: str, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._processes[name].pid, number)

    def _look_after(self) -> None:
        while not self._is_over:
            for name, process in list(self._processes.items()):
                if process.poll() is not None and not self._is_over:
                    self._signal(name, signal.SIGKILL)  # children that a killed parent left behind
                    time.sleep(PAUSE_SECONDS)
                    self._launch(name)
            time.sleep(0.1)
