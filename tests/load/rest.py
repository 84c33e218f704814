"""What a newcomer waits for, and what the product costs while nobody uses it: `make demo` in a fresh checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.load import stage

READY, DONE = "Orchestra is ready", "goes on serving"
KEPT = ("PATH", "HOME", "LANG", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CACHE_DIR")
PATIENCE_SECONDS = 600
CALM_SECONDS = 10
WATCHED_SECONDS = 20


def print_rest() -> None:
    """Print the seconds of a cold and of a warm start, the memory and the processor time at rest."""
    with tempfile.TemporaryDirectory(prefix="orchestra-rest-") as folder:
        place = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(stage.ROOT), str(place)], check=True)
        with demo(place) as seconds:
            print(
                f"make demo, cold: {seconds[READY]:.1f} s to the first page, {seconds[DONE]:.1f} s to the brief"
            )
            print(f"  .venv {_megabytes(place / '.venv'):.0f} MB, var {_megabytes(place / 'var'):.0f} MB")
            time.sleep(CALM_SECONDS)
            _print_at_rest(json.loads((place / "var" / "run" / "status.json").read_text()))
        with demo(place) as seconds:
            print(f"make demo, warm: {seconds[READY]:.1f} s to the first page", flush=True)


@contextmanager
def demo(place: Path) -> Iterator[dict[str, float]]:
    """Run `make demo` until the block ends; yield the seconds after which it said what is looked for."""
    began = time.monotonic()
    seconds: dict[str, float] = {}
    with subprocess.Popen(
        ["make", "demo", f"PORT={stage.free_port()}"],
        cwd=place,
        env={name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            assert running.stdout is not None
            for line in running.stdout:
                seconds |= {mark: time.monotonic() - began for mark in (READY, DONE) if mark in line}
                if DONE in line:
                    break
            else:
                raise SystemExit(f"make demo ended with exit code {running.wait(PATIENCE_SECONDS)}.")
            yield seconds
        finally:
            os.killpg(running.pid, signal.SIGTERM)


def _print_at_rest(status: dict[str, Any]) -> None:
    processes = {"supervisor": status["pid"]}
    processes |= {one["name"]: one["pid"] for one in status["processes"] if _is_alive(one["pid"])}
    before = sum(map(_ticks, processes.values()))
    time.sleep(WATCHED_SECONDS)
    share = (sum(map(_ticks, processes.values())) - before) / os.sysconf("SC_CLK_TCK") / WATCHED_SECONDS
    sizes = {name: _resident(pid) for name, pid in processes.items()}
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sizes.items())
    print(f"at rest: {sum(sizes.values()):.0f} MB ({parts}), {share:.1%} of one core", flush=True)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(pid: int) -> float:
    """Return the megabytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
