"""The run folder: who runs on this data folder, with which processes; one installation at a time.

`orchestra.lock` is held (flock) for as long as an installation runs and names its pid and URL;
`status.json` lists its processes, `<process>.pid` holds each pid. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any


class AlreadyRunning(Exception):
    """Another installation runs on this data folder; the message names its pid and URL."""


class RunFolder:
    """The folder `run/` of one data folder."""

    def __init__(self, var: Path) -> None:
        self.path = var / "run"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self, url: str) -> int:
        """Take the lock for this process and return its descriptor. Raises AlreadyRunning."""
        descriptor = os.open(self.path / "orchestra.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _json_object(os.pread(descriptor, 1000, 0))
            os.close(descriptor)
            raise AlreadyRunning(
                f"Orchestra is already running on {self.path.parent} "
                f"(pid {holder.get('pid', 'unknown')}, {holder.get('url', 'address unknown')}). "
                "Stop it first, or set ORCHESTRA_VAR to another folder."
            ) from None
        self.tell(descriptor, url)
        return descriptor

    def tell(self, lock: int, url: str) -> None:
        """Write into the lock who holds it, and where a browser finds it."""
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def is_locked(self) -> bool:
        """Say whether an installation runs here now."""
        try:
            descriptor = os.open(self.path / "orchestra.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write_pid(self, name: str, pid: int) -> None:
        self._replace(f"{name}.pid", f"{pid}\n")

    def remove_pid(self, name: str) -> None:
        (self.path / f"{name}.pid").unlink(missing_ok=True)

    def write_status(self, status: dict[str, Any]) -> None:
        self._replace("status.json", json.dumps(status, indent=2) + "\n")

    def status(self) -> dict[str, Any]:
        """Return what the installation that runs here wrote about itself, or only that none runs."""
        if not self.is_locked():
            return {"running": False}
        holder, written = self._read("orchestra.lock"), self._read("status.json")
        if written.get("pid") != holder.get("pid"):  # it starts, and has not replaced its predecessor's yet
            written = {**holder, "ready": False}
        return {"running": True, **written}

    def leftovers(self) -> list[int]:
        """Return the pids of processes that a killed supervisor left alive (same pid, same birth)."""
        processes = self._read("status.json").get("processes", [])
        known = [(entry.get("pid"), entry.get("born")) for entry in processes]
        return [pid for pid, born in known if isinstance(pid, int) and born and birth(pid) == born]

    def clear(self) -> None:
        """Forget the processes: they have ended."""
        for path in [*self.path.glob("*.pid"), self.path / "status.json"]:
            path.unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return _json_object((self.path / name).read_bytes())
        except FileNotFoundError:
            return {}

    def _replace(self, name: str, content: str) -> None:
        draft = self.path / f"{name}.new"
        draft.write_text(content, encoding="utf-8")
        draft.replace(self.path / name)


def birth(pid: int) -> str:
    """Return a mark of when a process was born ("" when it is gone), so that a reused pid is not mistaken."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _birth_by_ps(pid) if not Path("/proc/self").exists() else ""
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


def _birth_by_ps(pid: int) -> str:
    answer = subprocess.run(  # noqa: S603 (fixed words and a number)
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
