"""Stories run against a whole installation on the embedded default, driven through its API from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.product import ROOT, Product, free_port, start_product

PATIENCE_SECONDS = 60.0


@dataclass
class Client:
    """A program with an API key."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return (status, parsed body)."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def post(self, path: str, body: Any = None, expect: int = 201) -> Any:
        status, answer = self.call("POST", path, body)
        assert status == expect, answer
        return answer

    def publish(self, name: str, definition: dict[str, Any]) -> str:
        """Make and publish a workflow; return its slug."""
        slug = str(self.post("workflows", {"name": name, "definition": definition})["slug"])
        self.post(f"workflows/{slug}/versions", {})
        return slug

    def start(self, slug: str, **body: Any) -> str:
        return str(self.post(f"workflows/{slug}/runs", {"input": {}, **body}, expect=202)["id"])

    def wait_for(self, run: str, holds: Any, patience: float = PATIENCE_SECONDS) -> Any:
        """Return the run once `holds(run)`; the product may be away meanwhile."""
        deadline = time.monotonic() + patience
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                seen = self.get(f"runs/{run}")
            except OSError as error:
                seen = str(error)
            else:
                if holds(seen):
                    return seen
            time.sleep(0.1)
        raise AssertionError(f"Still {seen} after {patience} s")

    def wait_for_end(self, run: str) -> Any:
        return self.wait_for(run, lambda seen: seen["status"] in {"succeeded", "failed", "cancelled"})


def client_of(product: Product) -> Client:
    scopes = ("--scope", "read", "--scope", "run", "--scope", "write")
    printed = product.command("createtoken", "editor", *scopes, "--json")
    return Client(product.url, json.loads(printed)["key"])


@pytest.fixture(scope="package")
def provider_port() -> int:
    return free_port()


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory, provider_port: int) -> Iterator[Product]:
    """An installation whose operator has allowed the stand-in provider, and a port at which nobody answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRA_ALLOWED_HOSTS_OUT", f"127.0.0.1:{provider_port},127.0.0.1:9")
        started = start_product(tmp_path_factory.mktemp("product"))
    yield started
    started.stop()


@pytest.fixture(scope="package")
def provider(product: Product, provider_port: int) -> Iterator[str]:
    """The simulated model as a provider of its own, spoken to over HTTP; return its base URL."""
    command = ["manage.py", "simulate_llm", "--port", str(provider_port), "--latency", "0", "--tps", "0"]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=product.environment)
    url = f"http://127.0.0.1:{provider_port}/v1"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="package")
def client(product: Product) -> Client:
    return client_of(product)
