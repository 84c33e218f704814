"""PostgreSQL and Redis of one's own, in a folder of one's own, on ports of one's own: they may be hurt at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from tests.browser.product import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
START_SECONDS = 30.0


class NotHere(Exception):
    """A server program that the fault runs need is not installed; the message says which."""


def find_missing() -> str:
    """Return a word about what is missing, or nothing."""
    if shutil.which("redis-server") is None:
        return "redis-server is not installed"
    if not BINARIES and shutil.which("initdb") is None:
        return "PostgreSQL's initdb is not installed"
    return ""


class PostgreSQL:
    """A cluster; PostgreSQL refuses to run as root, so it runs as `postgres` or `nobody` then."""

    def __init__(self, folder: Path) -> None:
        if word := find_missing():
            raise NotHere(word)
        self.port = free_port()
        self.url = f"postgres://orchestra@127.0.0.1:{self.port}/orchestra"
        self._folder = folder
        self._as: dict[str, Any] = {}
        folder.mkdir(parents=True)
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            owner = "postgres" if "postgres" in names else "nobody"
            self._as = {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []}
            shutil.chown(folder, owner)
        self._run("initdb", "-D", str(folder / "data"), "-U", "orchestra", "-A", "trust", "-E", "UTF8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-o", options, "-w", "start")

    def create(self) -> None:
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "orchestra")
        self._run("createdb", *place, "orchestra")

    def stop(self) -> None:
        """Stop it at once: connections are cut, open transactions rolled back."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop", check=False)

    def _run(self, program: str, *words: str, check: bool = True) -> None:
        places = os.pathsep.join([*map(str, BINARIES[:1]), os.environ.get("PATH", "")])
        path = shutil.which(program, path=places) or program
        done = subprocess.run(
            [path, *words],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,  # pg_ctl hands its output on to the server, which keeps it open
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=120,
            **self._as,
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}; its log: {self._folder / 'log'}")


class Redis:
    """A server that keeps nothing on disk, so that a restart loses everything."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            ["redis-server", *words], cwd=self._folder, stdout=subprocess.DEVNULL, process_group=0
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self.client().ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("The Redis of the fault runs did not start.")

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10)

    def stop(self) -> None:
        """End it as kill -9 does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
