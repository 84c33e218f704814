"""What the workers measure."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from apps.accounts.models import User
from apps.runs.actions import start_run
from orchestra.engine.outcome import Done, Failed
from orchestra.health import forget_the_dead
from tests.running import wait_for_end
from workers import telemetry
from workers.layout import fresh_metrics

PLAIN = {
    "orchestra": 1,
    "name": "Plain",
    "nodes": {"one": {"kind": "llm", "settings": {"prompt": "x", "connection": "nowhere"}}},
}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_attempt_that_is_made_again_is_counted_as_a_retry() -> None:
    labels = {"kind": "telemetry", "code": "model_timeout"}

    telemetry.note_outcome("telemetry", Failed({"code": "model_timeout"}, retry_after=1.0))
    telemetry.note_outcome("telemetry", Failed({"code": "model_timeout"}))
    telemetry.note_outcome("telemetry", Done())

    assert value("orchestra_retries_total", **labels) == 1
    assert value("orchestra_nodes_total", kind="telemetry", outcome="failed") == 2


def test_a_run_leaves_times_of_its_claims_records_and_segments(
    worker: Any, publish_workflow: Any, editor: User
) -> None:
    names = [
        ("orchestra_operation_seconds_count", {"operation": "claim"}),
        ("orchestra_operation_seconds_count", {"operation": "record"}),
        ("orchestra_segment_seconds_count", {"queue": "llm"}),
    ]
    before = [value(name, **labels) for name, labels in names]

    wait_for_end(start_run(workflow=publish_workflow(PLAIN, name="Plain"), input={}, by=editor))

    assert all(value(name, **labels) > old for (name, labels), old in zip(names, before, strict=True))


def test_what_ended_processes_left_of_figures_of_the_living_is_removed(tmp_path: Path) -> None:
    import os

    ended = subprocess.Popen(["true"])
    ended.wait()
    names = [f"gauge_livesum_{ended.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{ended.pid}.db"]
    for name in names:
        (tmp_path / name).touch()

    forget_the_dead(tmp_path)

    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(names[1:])


def test_an_installation_starts_with_an_empty_folder_of_metrics(tmp_path: Path) -> None:
    left = fresh_metrics(tmp_path) / "counter_1.db"
    left.touch()

    assert list(fresh_metrics(tmp_path).iterdir()) == []
