"""The example programs end on real workers as they do in the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.runs.actions import decide_approval, decide_effect, limits, send_signal, start_run, upkeep
from apps.runs.models import Run
from orchestra.engine.context import Context
from orchestra.engine.effects import EFFECT
from orchestra.engine.nodes import Kind, kind
from orchestra.engine.outcome import Outcome
from tests.running import nodes_of, wait_until
from tests.workflows.programs import Program, programs
from workers import context as worker_context

SCRIPTED = {"llm", "agent", "http", "function", "tool"}


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
    for name, child in program.workflows.items():
        publish_workflow(dict(child), name=name.title())
    workflow = publish_workflow(dict(program.definition))

    run = start_run(workflow=workflow, input=dict(program.input), by=editor)
    acted: set[str] = set()
    wait_until(run, lambda fresh: fresh.is_final or act_on(fresh, program, acted, editor))

    assert told(run, program.expect) == {key: program.expect[key] for key in sorted(program.expect)}


def act_on(run: Run, program: Program, acted: set[str], by: Any) -> bool:
    """Be the world and the clock for a while: do what the program says about nodes that wait."""
    upkeep.end_due_waits()
    limits.end_overdue()
    for node in run.node_runs.filter(status="waiting", path__in=program.world.keys() - acted):
        if node.waiting_for.startswith("signal:"):
            name = node.waiting_for.removeprefix("signal:")
            send_signal(run=run, name=name, payload=program.world[node.path]["signal"], by=by)
        elif node.waiting_for == EFFECT:
            output = program.world[node.path]["happened"]
            decide_effect(run=run, path=node.path, decision="happened", output=output, by=by)
        else:
            entry = program.world[node.path]
            more = {name: entry[name] for name in ("form", "comment") if name in entry}
            asked = run.approvals.get(path=node.path)
            decide_approval(approval=asked, decision=entry["decide"], by=by, **more)
        acted.add(node.path)
    return False


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
