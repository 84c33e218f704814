"""One child of the supervisor: started, watched, restarted with pauses, stopped; its log kept short."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes of a log before it is moved aside."""
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0)
"""Seconds before the first, second … restart within a minute; one death more ends the installation."""
MINUTE = 60.0
ALARMS = (b"level=error", b"level=critical", b'"level": "error"', b'"level": "critical"', b"Traceback (most")


class GaveUp(Exception):
    """A process cannot be kept alive; the message says which, why, and where to read more."""


class Child:
    """A process that belongs to the installation."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        is_shown: bool = False,
        keeps: Sequence[int] = (),
    ) -> None:
        """`is_shown`: it writes to the supervisor's terminal instead of its log; `keeps`: descriptors it inherits."""
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.is_shown = is_shown
        self.keeps = tuple(keeps)
        self.process: subprocess.Popen[bytes] | None = None
        self.restart_at: float | None = None
        self.restarts = 0
        self._deaths: deque[float] = deque(maxlen=len(PAUSES) + 1)
        self._read_to = 0

    @property
    def pid(self) -> int:
        """The pid while it lives, else 0."""
        return self.process.pid if self.process and self.process.returncode is None else 0

    def start(self) -> None:
        """Start the process in a process group of its own, so that Ctrl-C reaches the supervisor only."""
        self.restart_at = None
        self.shorten_log()
        with self.log.open("ab") as sink:
            self._read_to = sink.tell()
            self.process = subprocess.Popen(  # noqa: S603 (command lines come from the supervisor alone)
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=None if self.is_shown else sink,
                stderr=None if self.is_shown else sink,
                process_group=0,
                pass_fds=self.keeps,
            )

    def ended(self) -> int | None:
        """Return the exit code (negative: the signal) once after the process has ended, else None."""
        if self.process is None or self.process.returncode is not None:
            return None
        return self.process.poll()

    def plan_restart(self, code: int) -> float:
        """Note a death and return the seconds until the restart. Raises GaveUp when it dies in a loop."""
        now = time.monotonic()
        self._deaths.append(now)
        recent = sum(1 for at in self._deaths if at > now - MINUTE)
        if recent > len(PAUSES):
            raise GaveUp(self.epitaph(code, f"ended {recent} times within a minute"))
        self.restarts += 1
        self.restart_at = now + PAUSES[recent - 1]
        return PAUSES[recent - 1]

    def epitaph(self, code: int, what: str) -> str:
        """Return the reason to give up: what happened, the last lines it wrote, and where the rest is."""
        lines = "\n".join(f"  {line}" for line in self.last_lines())
        return f"{self.name} {what} ({describe(code)}). Its last lines:\n{lines}\nThe whole log: {self.log}"

    def terminate(self) -> None:
        """Ask the process to end; it may finish what it holds."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and whatever it started in its group."""
        if self.process is not None:
            end_group(self.process.pid)

    def shorten_log(self) -> None:
        """Move a long log aside (one older one is kept); its writer, which appends, goes on empty."""
        if not self.log.exists() or self.log.stat().st_size < LOG_LIMIT:
            return
        with self.log.open("r+b") as source:
            # On a full disk the old lines are lost rather than the service.
            with suppress(OSError), self.log.with_suffix(".1.log").open("wb") as older:
                while block := source.read(1 << 20):
                    older.write(block)
            source.truncate(0)
        self._read_to = 0

    def last_lines(self, count: int = 8) -> list[str]:
        """Return the end of the log."""
        return _tail(self.log, count)

    def new_alarms(self, most: int = 5) -> list[str]:
        """Return the lines written since the last call that report an error, `most` of them at most."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= self._read_to:
            self._read_to = size
            return []
        with self.log.open("rb") as source:
            source.seek(self._read_to)
            written = source.read(1 << 16)
        self._read_to = size
        found = [line for line in written.splitlines() if any(alarm in line for alarm in ALARMS)]
        return [line.decode("utf-8", "replace")[:500] for line in found[:most]]


def describe(code: int) -> str:
    """Put an exit code into words."""
    return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"


def end_group(pid: int) -> None:
    """Kill the process group that a child leads, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _tail(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as source:
            source.seek(max(0, path.stat().st_size - 8192))
            text = source.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:]
