"""The product as seen from outside: start runs, decide what they ask, tell from the API what became of them."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

from orchestra.engine.compiler import compile_definition
from orchestra.engine.plan import Plan, split_path
from tests.faults.invariants import Seen, SeenNode, violations
from tests.faults.real.effects import World

FINAL = frozenset({"succeeded", "failed", "cancelled"})
OWN_SECONDS = 6.0
"""The longest that a node of the shapes takes by itself."""

Fault = tuple[str, float, float]
"""Name, begin and end in seconds since the epoch."""


class Client:
    """A program with an API key, patient while the product is away."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def call(self, method: str, path: str, body: Any = None, key: str = "", patience: float = 90.0) -> Any:
        """Return the answer's body; try again on 5xx and broken connections. Raises HTTPError for other refusals."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._once(method, path, body, key)
            except urllib.error.HTTPError as error:
                if (error.code < 500 and error.code != 429) or time.monotonic() > deadline:
                    raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _once(self, method: str, path: str, body: Any, key: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        url = path if path.startswith("http") else f"{self.url}/api/v1/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, method=method, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def pages(self, path: str) -> Iterator[Any]:
        following: str | None = path
        while following:
            page = self.call("GET", following)
            yield from page["results"]
            following = page["next"]

    def publish(self, name: str, definition: Mapping[str, Any]) -> tuple[str, Plan]:
        """Make and publish a workflow; return its short name and plan."""
        slug = self.call("POST", "workflows", {"name": name, "definition": definition})["slug"]
        self.call("POST", f"workflows/{slug}/versions", {})
        return slug, compile_definition(definition)


class Person(threading.Thread):
    """Decides at once whatever runs ask; knows of an effect what the world has counted."""

    def __init__(self, client: Client, world: World, runs: Mapping[str, str]) -> None:
        super().__init__(name="person", daemon=True)
        self.client = client
        self.world = world
        self.runs = runs
        """Names of shapes by run."""
        self.may_decide = threading.Event()
        self.may_decide.set()
        self.is_over = False
        self.asked = 0

    def run(self) -> None:
        while not self.is_over:
            with suppress(OSError):  # refused, or away: the next look will do
                self._look()
            time.sleep(1.0)

    def _look(self) -> None:
        for approval in self.client.call("GET", "approvals?status=open", patience=1)["results"]:
            self.client.call(
                "POST", f"approvals/{approval['id']}/decide", {"decision": "approved"}, patience=1
            )
        if not self.may_decide.is_set():
            return
        for run in [run for run, shape in list(self.runs.items()) if shape == "once"]:
            node = self.client.call("GET", f"runs/{run}/nodes/pay", patience=1)
            if node["status"] == "waiting" and node["waiting_for"] == "effect":
                self.asked += 1
                happened = bool(self.world.calls[f"{run}/pay"])
                word = {"decision": "happened", "output": {"ok": True}} if happened else {"decision": "retry"}
                self.client.call("POST", f"runs/{run}/nodes/pay/effect", word, patience=1)


def see(client: Client, run: str, shape: str, plan: Plan) -> Seen:
    """Read all that the API says of a run."""
    told = client.call("GET", f"runs/{run}")
    nodes = list(client.pages(f"runs/{run}/nodes?limit=200"))
    events = [
        {**event, "node": event["node"] or ""} for event in client.pages(f"runs/{run}/events?limit=200")
    ]
    return Seen(
        name=f"{shape} {run}",
        run={
            "status": told["status"],
            "nodes_done": told["nodes"]["done"],
            "nodes_total": told["nodes"]["total"],
            "seq": len(events),
        },
        nodes={node["path"]: _node(node, plan) for node in nodes},
        events=events,
        plan=plan,
        expected={node["path"]: "succeeded" for node in nodes},
        attempts=dict(_attempts(client, run, nodes)),
    )


def _attempts(
    client: Client, run: str, nodes: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Tell of each answer from the world which attempt had asked for it, and which the node run says."""
    for path in [node["path"] for node in nodes if node["kind"] == "http"]:
        node = client.call("GET", f"runs/{run}/nodes/{path}")
        body = (node["output"] or {}).get("body")
        if body is not None:  # somebody has said what happened
            yield path, (body["attempt"], node["attempt"])


def _node(node: Mapping[str, Any], plan: Plan) -> SeenNode:
    """Take a node run as it is told; of one that succeeded any port may have been taken."""
    scope, name = split_path(node["path"])
    taken = {edge.port for edge in plan.at(scope).successors.get(name, ())}
    ports = sorted(taken) if node["status"] == "succeeded" else ()
    return SeenNode(node["path"], node["kind"], node["status"], ports)


def judge(seen: Seen, world: World) -> list[str]:
    """Return what does not hold of a run, its effects in the world included."""
    found = violations(seen)
    run = seen.name.rpartition(" ")[2]
    calls = world.calls[f"{run}/pay"]
    if seen.name.startswith("once ") and calls != 1:
        found.append(f"{seen.name}: its effect reached the world {calls} times")
    return found


def longest_rest(seen: Seen, faults: list[Fault]) -> float:
    """Return for how many seconds nothing happened in a run after the end of a fault, its nodes' own time left out."""
    longest = 0.0
    times = [datetime.fromisoformat(event["at"]).timestamp() for event in seen.events]
    for earlier, later in pairwise(times):
        if any(start <= later and end >= later for _name, start, end in faults):
            continue
        ends = [end for _name, _start, end in faults if end < later]
        longest = max(longest, later - max([earlier, *ends]) - OWN_SECONDS)
    return max(0.0, longest)
