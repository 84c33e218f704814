"""The example programs end on real workers as they do in the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.runs.actions import start_run
from apps.runs.models import Run
from orchestra.engine.context import Context
from orchestra.engine.nodes import Kind, kind
from orchestra.engine.outcome import Outcome
from tests.running import nodes_of, wait_for_end
from tests.workflows.programs import Program, programs
from workers import context as worker_context

SCRIPTED = {"llm", "http", "function"}


def scripted_kinds(program: Program) -> Any:
    """Return a look-up of kinds in which the outside world is the program's script."""

    def look_up(name: str) -> Kind:
        found = kind(name)
        if name not in SCRIPTED:
            return found

        async def act(context: Context, settings: Mapping[str, Any]) -> Outcome:
            return program.act(context.path, context.attempt, replace(context.node, settings=settings))

        return replace(found, run=act)

    return look_up


@pytest.mark.parametrize("unit_size", [1, 4, 32])
@pytest.mark.parametrize("program", programs(), ids=lambda program: program.name)
def test_a_program_ends_on_workers_as_it_says(
    worker: Any,
    publish_workflow: Any,
    editor: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    unit_size: int,
) -> None:
    settings.ORCHESTRA_UNIT_SIZE = unit_size
    monkeypatch.setattr(worker_context, "kind", scripted_kinds(program))
    workflow = publish_workflow(dict(program.definition))

    run = wait_for_end(start_run(workflow=workflow, input=dict(program.input), by=editor))

    assert told(run, program.expect) == {key: program.expect[key] for key in sorted(program.expect)}


def told(run: Run, expect: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was expected as it really came, so that a difference shows at a glance."""
    nodes = nodes_of(run)
    views = {
        "status": lambda _: run.status,
        "output": lambda _: run.output,
        "error": lambda _: (run.error or {}).get("code"),
        "nodes": lambda wanted: {path: nodes[path].status for path in wanted},
        "outputs": lambda wanted: {path: nodes[path].output for path in wanted},
        "errors": lambda wanted: {path: (nodes[path].error or {}).get("code") for path in wanted},
        "attempts": lambda wanted: {path: nodes[path].attempt for path in wanted},
        "absent": lambda wanted: [p for p in wanted if p not in nodes or nodes[p].status == "cancelled"],
    }
    return {key: views[key](expect[key]) for key in sorted(expect)}
