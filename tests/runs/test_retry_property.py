"""For random graphs with failures, a run that is retried until it succeeds ends as one that never failed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from apps.runs.actions import retry_node, retry_run, start_run
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Claim, Claimed, Hold, Record
from apps.runs.models import Run
from orchestra.engine.attempt import attempt
from orchestra.engine.outcome import Done, Failed, Outcome, Skipped
from workers.context import WorkerContext

JOINS = ("any", "any", "all", "done")
MOST_TURNS = 12


def graph(dice: random.Random, size: int, prefix: str) -> dict[str, Any]:
    """Return random nodes; each reads what it needs, so that its output tells all that came before."""
    nodes: dict[str, Any] = {}
    for number in range(size):
        names = list(nodes)
        needs = dice.sample(names, min(len(names), dice.choice([0, 1, 1, 2, 3])))
        seen = {need: f"{{{{ nodes.{need}.output }}}}" for need in needs}
        node = {"kind": "function", "settings": {"name": "echo", "arguments": {"value": seen}}}
        if needs:
            node |= {"needs": needs, "join": dice.choice(JOINS)}
        nodes[f"{prefix}{number}"] = node
    return nodes


def definition(dice: random.Random) -> dict[str, Any]:
    nodes = graph(dice, dice.randint(4, 9), "n")
    last = list(nodes)[-1]
    body = {"nodes": graph(dice, dice.randint(1, 4), "b"), "output": "{{ nodes.b0.output }}"}
    settings: dict[str, Any] = {"items": [0, 1, 2, 3], "body": body}
    if dice.random() < 0.5:
        settings["concurrency"] = dice.randint(1, 3)
    nodes["each"] = {"kind": "map", "needs": dice.sample(list(nodes), 1), "settings": settings}
    seen = {"each": "{{ nodes.each.output }}", "last": f"{{{{ nodes.{last}.output }}}}"}
    arguments = {"name": "echo", "arguments": {"value": seen}}
    nodes["end"] = {"kind": "function", "needs": ["each", last], "join": "done", "settings": arguments}
    return {"orchestra": 1, "nodes": nodes, "output": "{{ nodes.end.output }}"}


class Course:
    """Drives one run through claims and records in random order; some nodes fail at their first attempts."""

    def __init__(self, run: Run, dice: random.Random, bad: float, skips: set[str]) -> None:
        self.run, self.dice, self.bad, self.skips = run, dice, bad, skips
        self.key = str(run.pk)
        self.book = FactBook()

    def to_its_end(self) -> Run:
        while True:
            [applied] = self.commit(Advance(self.key))
            heads = list(applied.dispatch.heads) if applied.dispatch else []
            if not heads:
                self.run.refresh_from_db()
                return self.run
            epoch = applied.dispatch.epoch
            head = self.dice.choice(heads)
            for claimed in self.commit(Claim(self.key, head.path, epoch))[0].claimed:
                self.commit(
                    Record(
                        self.key,
                        claimed.path,
                        Hold({claimed.path: claimed.fence}),
                        self.outcome(claimed),
                        epoch=epoch,
                    )
                )

    def commit(self, operation: Any) -> Any:
        return commit([operation], worker="w", book=self.book)

    def outcome(self, claimed: Claimed) -> Outcome:
        if claimed.node.kind in ("map", "item"):
            context = WorkerContext(None, claimed)  # type: ignore[arg-type]  # inline kinds do not touch it
            return asyncio.run(attempt(context))
        if claimed.node.id in self.skips:
            return Skipped()
        if claimed.attempt <= 2 and self.dice.random() < self.bad:
            return Failed({"code": "x", "message": "broken"})
        reads = {read.node: (r.output, r.status) for read, r in claimed.results.items()}
        return Done({"path": claimed.path, "item": claimed.item, "reads": sorted(reads.items())})


@pytest.mark.parametrize("seed", range(10))
def test_a_retried_run_ends_as_one_that_never_failed(seed: int, publish_workflow: Any, editor: Any) -> None:
    dice = random.Random(seed)
    workflow = publish_workflow(definition(dice))
    skips = {f"{letter}{dice.randint(1, 6)}" for letter in "nb"}
    whole = Course(
        start_run(workflow=workflow, input={}, by=editor), random.Random(seed), 0, skips
    ).to_its_end()
    broken = start_run(workflow=workflow, input={}, by=editor)
    course = Course(broken, random.Random(seed + 1000), 0.35, skips)

    run = course.to_its_end()
    for _ in range(MOST_TURNS):
        if run.status != "failed":
            break
        lost = list(run.node_runs.filter(status="failed", is_handled=False))
        if dice.random() < 0.4:
            retry_node(run=run, node=dice.choice(lost), by=editor)
        else:
            retry_run(run=run, by=editor)
        run = course.to_its_end()
        course.bad *= 0.6
    course.bad = 0
    if run.status == "failed":
        retry_run(run=run, by=editor)
        run = course.to_its_end()

    assert (run.status, run.output) == (whole.status, whole.output) == ("succeeded", whole.output)
    assert ends(run) == ends(whole)
    assert run.nodes_done == run.nodes_total == whole.nodes_total
    assert list(run.events.values_list("seq", flat=True)) == list(range(1, run.seq + 1))


def ends(run: Run) -> dict[str, Any]:
    rows = run.node_runs.values_list("path", "status", "output", "unsettled", "live", "is_decided")
    return {path: rest for path, *rest in rows}
