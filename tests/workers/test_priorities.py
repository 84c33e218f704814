"""Priorities on real brokers: the urgent first, and in its turn what has aged."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need

ROOT = Path(__file__).parents[2]

ORDER = """
import json, time, django
django.setup()
from orchestra.celery import QUEUES, app, publish
with app.connection_for_write() as link, link.channel() as channel:
    queue = app.amqp.queues["control"](channel)
    queue.declare()
    for number, priority in enumerate([0, 1, 3, 2, 0, 3]):
        publish("orchestra.probe", queue="control", priority=priority, source="control", number=number)
    arrived = 0  # the broker confirms nothing: another connection sees a message a moment later
    ends = time.monotonic() + 20
    while arrived < 6 and time.monotonic() < ends:
        arrived = queue.queue_declare(passive=True).message_count
        time.sleep(0.02)
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(json.loads(message.body)[1]["number"])
    queue.delete()
print(json.dumps(found))
"""


def services() -> Any:
    spec = importlib.util.spec_from_file_location("with_services", ROOT / "tools" / "with_services.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.services
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_the_broker_hands_out_the_urgent_first_and_of_equals_the_oldest(broker: str, tmp_path: Path) -> None:
    tool = services()
    missing = [name for name in tool.NAMES[broker] if not tool.answers(tool.ADDRESSES[name])]
    need(not missing, f"{', '.join(missing)} does not answer at its standard local port")
    with tool.environment(broker) as values:
        environment = {
            **os.environ,
            **values,
            "DJANGO_SETTINGS_MODULE": "orchestra.settings",
            "ORCHESTRA_VAR": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-c", ORDER],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [2, 5, 3, 1, 0, 4]
