"""Everything is killed in mid-run and started again: no run is lost, no result is recorded twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.browser.product import ROOT, Product, start_product, wait_until_ready
from tests.stories.conftest import client_of
from workers.rundir import RunFolder

SLOW = """[[simulate latency=0.2 tps=60]] Summarize:
The mill stands at the bend of the river. Its wheel turns when the water is high, and rests in summer.
The miller keeps two ledgers, one for grain and one for debts, and trusts neither of them."""


def definition() -> dict[str, Any]:
    call = {"kind": "llm", "settings": {"prompt": SLOW + " {{ item }}"}}
    body = {"nodes": {"ask": call}, "output": "{{ nodes.ask.output.text }}"}
    each = {"kind": "map", "settings": {"items": list(range(12)), "concurrency": 3, "body": body}}
    last = {"kind": "function", "needs": ["each"], "settings": {"name": "noop"}}
    return {
        "orchestra": 1,
        "nodes": {"each": each, "last": last},
        "output": "{{ nodes.each.output.items | length }}",
    }


def kill_everything(product: Product, folder: Path) -> None:
    for pid in (product.process.pid, *RunFolder(folder).leftovers()):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    product.process.wait(10)


def start_again(product: Product, folder: Path) -> None:
    port = product.url.rpartition(":")[2]
    log = (folder / "up-again.log").open("wb")
    command = [sys.executable, "manage.py", "up", "--port", port]
    product.process = subprocess.Popen(
        command, cwd=ROOT, env=product.environment, stdout=log, stderr=log, start_new_session=True
    )
    wait_until_ready(product, folder / "up-again.log")


def test_a_run_survives_the_death_of_every_process(tmp_path: Path) -> None:
    product = start_product(tmp_path)
    try:
        client = client_of(product)
        run = client.start(client.publish("Slow map", definition()))
        client.wait_for(run, lambda seen: seen["nodes"]["done"] >= 3)

        kill_everything(product, tmp_path)
        start_again(product, tmp_path)

        ended = client.wait_for_end(run)
        events = client.get(f"runs/{run}/events?limit=200")["results"]
    finally:
        product.stop()
    assert (ended["status"], ended["output"]) == ("succeeded", 12)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    recorded = Counter(event["node"] for event in events if event["type"] == "node.succeeded")
    assert set(recorded.values()) == {1}
