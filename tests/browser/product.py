"""The real product on the embedded default, in a folder of its own: started once, driven from outside only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
DRIVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "ORCHESTRA_TEST_VAR")


@dataclass
class Product:
    """A running installation: its address, its folder, and commands against it."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    operator: str = ""
    team: str = ""

    def command(self, *arguments: str) -> str:
        """Run a management command and return what it prints."""
        return run_command(self.environment, *arguments)

    def login_link(self) -> str:
        """Return a one-time link for the operator."""
        printed = self.command("loginlink", self.operator, "--base", self.url, "--minutes", "30", "--json")
        return str(json.loads(printed)["url"])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(25)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def start_product(folder: Path) -> Product:
    """Prepare the database, fill it, start web, broker and a worker, and wait until the web answers."""
    environment = {name: value for name, value in os.environ.items() if name not in DRIVERS}
    environment |= {
        "ORCHESTRA_VAR": str(folder),
        "DJANGO_SETTINGS_MODULE": "orchestra.settings",
        "ORCHESTRA_API_RATE": "100000/min",
        "PYTHONWARNINGS": "default",
    }
    run_command(environment, "migrate", "--noinput", "--verbosity", "0")
    seeded: dict[str, Any] = json.loads(run_command(environment, "seed", "--json").splitlines()[-1])
    port = free_port()
    log = (folder / "up.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    product = Product(f"http://127.0.0.1:{port}", environment, process, seeded["operator"], seeded["team"])
    try:
        wait_until_ready(product, folder / "up.log")
    except BaseException:
        product.stop()
        raise
    return product


def run_command(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def wait_until_ready(product: Product, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if product.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(product.url + "/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"The product did not start:\n{log.read_text(errors='replace')}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
