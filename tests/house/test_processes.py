"""The Procfile on real services: every process on its own, several workers, the sample workflow through all of them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.house.conftest import ROOT, wait_until
from tests.needs import need

PROCESSES = ("web", "worker-llm", "worker-cpu", "worker-control", "beat")

pytestmark = [pytest.mark.services, pytest.mark.timeout(500)]


def load_services() -> Any:
    spec = importlib.util.spec_from_file_location("with_services", ROOT / "tools" / "with_services.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SERVICES = load_services()


@pytest.fixture(params=["redis", "rabbitmq"])
def environment(request: Any, tmp_path: Path, port: int) -> Iterator[dict[str, str]]:
    """Yield the environment of an installation on services of its own: database, virtual host, Redis database."""
    missing = [
        name for name in SERVICES.NAMES[request.param] if not SERVICES.answers(SERVICES.ADDRESSES[name])
    ]
    need(not missing, f"{', '.join(missing)} does not answer at its standard local port")
    with SERVICES.environment(request.param) as services, own_database(services["DATABASE_URL"]) as database:
        yield {
            **os.environ,
            **services,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "orchestra.settings",
            "ORCHESTRA_VAR": str(tmp_path),
            "ORCHESTRA_SIMULATED": "latency=0 tps=0",
            "PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Yield the URL of an empty database that is dropped afterwards."""
    name = f"orchestra_house_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def processes(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Start the Procfile's processes; yield the file that holds what they wrote."""
    manage(environment, "migrate", "--noinput", "--verbosity", "0")
    output = tmp_path / "processes.txt"
    with output.open("w") as sink:
        honcho = subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", *PROCESSES],
            cwd=ROOT,
            env=environment,
            stdout=sink,
            stderr=sink,
        )
    try:
        yield output
    finally:
        honcho.send_signal(signal.SIGINT)
        honcho.wait(60)


def manage(environment: dict[str, str], *words: str) -> str:
    """Run a management command that must succeed; return what it printed."""
    answer = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_the_sample_runs_through_every_process(environment: dict[str, str], processes: Path) -> None:
    def is_well() -> bool:
        words = [sys.executable, "manage.py", "doctor", "--json"]
        return (
            subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=False).returncode == 0
        )

    wait_until(is_well, processes.read_text, 180)
    manage(environment, "seed")

    shown = manage(environment, "run", "brief", "--input", "samples/document.txt", "--follow", "--json")

    run = json.loads(shown)
    assert run["status"] == "succeeded"
    assert "faction" in run["output"]["brief"]
    report = json.loads(manage(environment, "doctor", "--json"))
    assert report["drivers"]["database"] == "postgresql"
    assert all(finding["status"] == "ok" for finding in report["findings"]), report
