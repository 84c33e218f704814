"""Somebody adds two agents with one command each, kills the one at work, and the other finishes: once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.conftest import ROOT, Installation, wait_until
from tests.needs import need

EMBEDDED = {
    "DJANGO_SETTINGS_MODULE": "orchestra.settings",
    "DATABASE_URL": "",
    "BROKER_URL": "",
    "REDIS_URL": "",
    "ORCHESTRA_AGENT_LEASE_SECONDS": "3",
}
WORKFLOW = """
orchestra: 1
nodes:
  count: {kind: agent, settings: {task: "one two three", requires: [count]}}
output: "{{ nodes.count.output }}"
"""
PATIENCE_SECONDS = 90.0
PYTHON = (sys.executable, "-m", "orchestra_agent")

pytestmark = pytest.mark.timeout(400)


class Api:
    """The API of a running installation, as a program outside uses it."""

    def __init__(self, url: str, key: str, grpc: str) -> None:
        self.url = url
        self.key = key
        self.grpc = grpc
        """Where remote agents may connect over gRPC."""

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Start the product on its embedded default, and return its API as one of its people may use it."""
    with socket.socket() as listener, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, grpc_port = listener.getsockname()[1], other.getsockname()[1]
    var = tmp_path_factory.mktemp("agents")
    settings = {**EMBEDDED, "ORCHESTRA_GRPC_PORT": str(grpc_port)}
    up = Installation(var, ["manage.py", "up", "--port", str(port)], **settings)
    try:
        up.wait_until_ready()
        environment = {**os.environ, **EMBEDDED, "ORCHESTRA_VAR": str(var)}
        for words in (["seed"], ["createtoken", "editor", "--scope", "admin"]):
            made = subprocess.run(
                [sys.executable, "manage.py", *words],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert made.returncode == 0, made.stderr
        yield Api(f"http://127.0.0.1:{port}", made.stdout.strip(), f"127.0.0.1:{grpc_port}")
    finally:
        up.destroy()


@pytest.fixture
def start_agent(api: Api, tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts an agent in a process of its own, with the one command that people paste."""
    token = api("POST", "agents/tokens", {"name": "Fleet"})["token"]
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: str, more: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        words = ["--url", api.url, "--token", token, "--name", name, "--capability", "count"]
        with (tmp_path / f"{name}.log").open("wb") as sink:
            process = subprocess.Popen(
                [*command, *words, *more],
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'sdk' / 'python'}{os.pathsep}{ROOT}"},
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(30)


@pytest.fixture(scope="module")
def workflow(api: Api) -> str:
    """The short name of a published workflow that counts words."""
    slug = api("POST", "workflows/import", {"text": WORKFLOW, "name": "Count"})["slug"]
    api("POST", f"workflows/{slug}/versions", {})
    return str(slug)


def states(api: Api) -> dict[str, str]:
    return {one["name"]: one["state"] for one in api("GET", "agents/health?kind=remote")["results"]}


def test_an_agent_is_killed_in_mid_task_and_another_finishes_once(
    api: Api, start_agent: Any, workflow: str
) -> None:
    slow = ("--handler", "tests.stories.slow_agent:begin")
    first = start_agent("First", *PYTHON, more=slow)
    wait_until(lambda: states(api).get("First") == "online", lambda: str(states(api)), PATIENCE_SECONDS)

    run = api("POST", f"workflows/{workflow}/runs", {"input": {}})["id"]

    def node() -> Any:
        return api("GET", f"runs/{run}/nodes/count")

    wait_until(
        lambda: (node()["assignments"] or [{}])[0].get("progress"), lambda: str(node()), PATIENCE_SECONDS
    )
    at_work = node()
    second = start_agent("Second", *PYTHON, more=("--grpc", api.grpc))
    wait_until(lambda: states(api).get("Second") == "online", lambda: str(states(api)), PATIENCE_SECONDS)
    first.send_signal(signal.SIGKILL)
    wait_until(
        lambda: api("GET", f"runs/{run}")["status"] == "succeeded", lambda: str(node()), PATIENCE_SECONDS
    )

    ended, events = node(), api("GET", f"runs/{run}/events")["results"]
    assert (at_work["agent"], at_work["choice"]["agent"]) == ("first", "first")
    assert ended["output"]["data"] == {"words": 3}
    assert (ended["agent"], ended["assignments"][0]["losses"]) == ("second", 1)
    assert [event["type"] for event in events].count("node.succeeded") == 1
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE_SECONDS) == 0


def test_the_agent_in_javascript_does_the_same(api: Api, start_agent: Any, workflow: str) -> None:
    node = shutil.which("node")
    need(node, "There is no node on the path: the agent in JavaScript is not tried.")
    agent = start_agent("Script", str(node), str(ROOT / "sdk" / "javascript" / "main.js"))
    wait_until(lambda: states(api).get("Script") == "online", lambda: str(states(api)), PATIENCE_SECONDS)

    run = api("POST", f"workflows/{workflow}/runs?wait=60", {"input": {}})

    assert (run["status"], run["output"]["agent"]) == ("succeeded", "script")
    assert run["output"]["usage"] == {"input_tokens": 3, "output_tokens": 3, "cost": 0.0}
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(PATIENCE_SECONDS) == 0
