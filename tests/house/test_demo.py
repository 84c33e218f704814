"""The demo as a person has it: one word, the sample runs before your eyes, Ctrl-C loses nothing."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.conftest import ROOT, Installation, is_alive, wait_until

EMBEDDED = {
    "DJANGO_SETTINGS_MODULE": "orchestra.settings",
    "DATABASE_URL": "",
    "BROKER_URL": "",
    "REDIS_URL": "",
}
QUICK = {**EMBEDDED, "ORCHESTRA_SIMULATED": "latency=0 tps=0"}
SLOW = {**EMBEDDED, "ORCHESTRA_SIMULATED": "latency=0.5 tps=50"}
THE_END = "Orchestra goes on serving"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run the demo once on an empty data folder and leave it running for the tests of this module."""
    var = tmp_path_factory.mktemp("demo")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    demo = Installation(var, ["manage.py", "demo", "--port", str(port)], **QUICK)
    try:
        wait_until(lambda: THE_END in demo.said() or demo.process.poll() is not None, demo.said, 180)
        assert demo.process.poll() is None, demo.said()
        yield {"var": var, "port": port, "demo": demo, "said": demo.said()}
    finally:
        demo.destroy()


def manage(var: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command beside the running installation."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**os.environ, **QUICK, "ORCHESTRA_VAR": str(var), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_progress_result_address_and_login_link_are_shown(place: dict[str, Any]) -> None:
    said = place["said"]

    assert re.search(r"Running .* on samples/document\.txt \(\d{4} words\)", said)
    for node in ("split", "summaries", "together", "score", "compose"):
        assert re.search(rf"{node}: succeeded", said), node
    assert "Run 1 of brief succeeded" in said
    assert "faction" in said.split("Run 1 of brief")[1]
    assert re.search(rf"http://127\.0\.0\.1:{place['port']}/runs/[0-9a-f-]{{36}}/", said)


def test_the_login_link_opens_a_page_that_asks_before_it_is_used(place: dict[str, Any]) -> None:
    path = re.findall(r"http://\S+(/login/\S+)", place["said"])[-1]

    pages = [page_at(place["port"], path) for _ in range(2)]

    assert all('method="post"' in page for page in pages)


def test_status_names_processes_ports_queues_and_drivers(place: dict[str, Any]) -> None:
    answer = manage(place["var"], "up", "--status", "--json")

    status = json.loads(answer.stdout)
    assert answer.returncode == 0
    assert status["running"]
    assert status["ports"] == {"web": place["port"]}
    assert status["queues"] == ["llm", "io", "cpu", "control"]
    assert status["drivers"] == {"database": "sqlite", "broker": "embedded", "redis": "embedded"}
    assert {"valkey", "web", "worker1"} <= {process["name"] for process in status["processes"]}
    assert all(is_alive(process["pid"]) for process in status["processes"])


def test_doctor_finds_the_running_installation_well(place: dict[str, Any]) -> None:
    answer = manage(place["var"], "doctor", "--json")

    report = json.loads(answer.stdout)
    assert report["healthy"], report
    assert answer.returncode == 0
    found = {finding["name"]: finding["status"] for finding in report["findings"]}
    assert found["workers"] == "ok"
    assert found["redis"] == "ok"


def test_a_second_start_beside_the_first_changes_nothing(place: dict[str, Any]) -> None:
    answer = manage(place["var"], "up", "--port", str(place["port"]))

    assert answer.returncode == 1
    assert f"already running on {place['var']} (pid {place['demo'].process.pid}," in answer.stderr
    assert "Traceback" not in answer.stderr


def test_only_the_web_port_is_open(place: dict[str, Any]) -> None:
    status = json.loads(manage(place["var"], "up", "--status", "--json").stdout)
    sockets = {
        os.readlink(link)
        for process in status["processes"]
        for link in Path(f"/proc/{process['pid']}/fd").iterdir()
        if link.is_symlink()
    }
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets
    ]

    assert listening == [f"0100007F:{place['port']:04X}"]


def test_ctrl_c_in_mid_run_and_a_restart_lose_no_run(tmp_path: Path, port: int) -> None:
    first = Installation(tmp_path, ["manage.py", "demo", "--port", str(port)], **SLOW)
    try:
        wait_until(lambda: re.search(r"summaries: running [3-9]/", first.said()), first.said, 180)
        assert first.stop(signal.SIGINT) == 0
    finally:
        first.destroy()
    assert THE_END not in first.said()

    second = Installation(tmp_path, ["manage.py", "up", "--port", str(port)], **QUICK)
    try:
        second.wait_until_ready()
        wait_until(lambda: status_of_first_run(tmp_path) == "succeeded", second.said, 60)
    finally:
        second.destroy()
    assert "Preparing the database" in first.said()
    assert "Preparing the database" not in second.said()


def page_at(port: int, path: str) -> str:
    """Return a page of the running installation."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("GET", path)
    answer = link.getresponse()
    assert answer.status == 200
    return answer.read().decode()


def status_of_first_run(var: Path) -> str:
    """Return the status of the only run, from the database file itself."""
    with sqlite3.connect(f"file:{var}/orchestra.sqlite3?mode=ro", uri=True) as database:
        return str(database.execute("SELECT status FROM runs_run").fetchone()[0])
