"""Example programs: workflow definitions with scripted outcomes and what must come of them.

Each `<name>.yaml` beside this file is one program, read alike by the simulator's test and by the test that runs it on
real workers, which must agree:

    about: One sentence on what the program shows.
    definition: {…}            # as a person would write it
    input: {…}                 # of the run; default {}
    workflows: {child: {…}}    # others that it calls, by short name
    outcomes:                  # by path; what is not named here succeeds with a default output
      outline: {output: {text: Once}}                  # every attempt
      "views[1].draft": [{fail: model_unavailable}, {}] # one entry per attempt, the last one repeats
    expect:
      status: succeeded        # of the run
      output: …                # of the run; not checked when left out
      error: tool_failed       # code of the run's error; not checked when left out
      nodes: {outline: succeeded, rewrite: skipped}    # statuses by path
      outputs: {outline: …}    # whole outputs by path
      errors: {outline: bad_output}                    # codes of errors by path
      attempts: {outline: 2}   # number of attempts by path
      absent: ["views[3].draft"]                       # paths that never come to be, or are cancelled

An outcome is `{output: …}` (for `llm` merged into a whole answer, so `{output: {text: Hi}}` will do; `{}` is the
default output) or `{fail: <code of a NodeFailure>, message: …}`. Defaults: `llm` answers `{text: <path>, …}`, `http`
`{status: 200, headers: {}, body: null}`, `function` and `tool` return their arguments, `agent` answers as `llm`, with
its steps. Only these are scripted; inline kinds run for real. Retries in programs have short or no delays. What the
world does about nodes that wait stands under `world`, by path:

    world:
      go: {after: 1, signal: {by: ada}}     # the signal's payload; `after` in virtual seconds, default 0
      pay: {happened: {id: 7}}              # a person says that its effect happened, with this result
      sign_off: {decide: approved, form: {…}, comment: …}   # ada's decision
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestra.engine.compiler import compile_definition
from orchestra.engine.definition import load
from orchestra.engine.inputs import complete_input
from orchestra.engine.nodes import approval, wait, workflow
from orchestra.engine.outcome import Done, ItemResult, Outcome, Suspend
from orchestra.engine.plan import PlanNode
from orchestra.engine.simulate import Behave, Wake, simulate
from orchestra.engine.yaml_reader import read_yaml
from orchestra.errors import NodeFailure

HERE = Path(__file__).parent
SAMPLES = HERE.parent.parent / "samples"


@dataclass(frozen=True)
class Program:
    name: str
    about: str
    definition: Mapping[str, Any]
    input: Mapping[str, Any]
    outcomes: Mapping[str, Any]
    expect: Mapping[str, Any]
    world: Mapping[str, Any] = field(default_factory=dict)
    workflows: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, type[NodeFailure]] = field(default_factory=lambda: dict(_failures(NodeFailure)))

    def act(self, path: str, attempt: int, node: PlanNode) -> Outcome:
        """Return the outcome of an attempt (from 1) at a node with evaluated settings, or raise its NodeFailure."""
        scripted = self.outcomes.get(path, {})
        entry = scripted[min(attempt, len(scripted)) - 1] if isinstance(scripted, list) else scripted
        if "fail" in entry:
            raise self.failures[entry["fail"]](entry.get("message", "As the program says."))
        return Done(_output(node, path, entry))

    def world_acts(self, path: str, outcome: Suspend) -> Wake | None:
        """Return what the world does about a node that waits, for the simulator."""
        if outcome.waiting_for == workflow.WAITING_FOR:
            return self._child_runs(path, outcome)
        entry = self.world.get(path)
        if entry is None:
            return None
        return Wake(float(entry.get("after", 0)), _reaction(entry))

    def _child_runs(self, path: str, outcome: Suspend) -> Wake:
        plan = compile_definition(self.workflows[outcome.data["workflow"]])
        given = complete_input(plan.inputs, outcome.data["input"])
        ended = simulate(plan, given, behave=self.behave(), world=self.world_acts)
        usage = {"input_tokens": 0, "output_tokens": 0, "cost": 0.0}
        end = {"status": ended.status.value, "output": ended.output, "error": ended.error, "usage": usage}
        return Wake(ended.makespan, ItemResult(0, {**outcome.data, **end}))

    def behave(self) -> Behave:
        """Return a function for the simulator that counts the attempts itself."""
        attempts: Counter[str] = Counter()

        def act(path: str, node: PlanNode, scope: Mapping[str, Any]) -> Outcome:
            attempts[path] += 1
            return self.act(path, attempts[path], node)

        return act


def programs() -> list[Program]:
    """Return every example program, by name."""
    return [_read(path) for path in sorted(HERE.glob("*.yaml"))]


def _read(path: Path) -> Program:
    data, _ = read_yaml(path.read_text(encoding="utf-8"))
    definition = data["definition"]
    if isinstance(definition, str):
        definition = load((SAMPLES / definition).read_text(encoding="utf-8"))
    return Program(
        name=path.stem,
        about=data["about"],
        definition=definition,
        input=data.get("input", {}),
        outcomes=data.get("outcomes", {}),
        world=data.get("world", {}),
        workflows=data.get("workflows", {}),
        expect=data["expect"],
    )


def _reaction(entry: Mapping[str, Any]) -> Done:
    if "signal" in entry:
        return wait.on_signal(entry["signal"])
    if "happened" in entry:
        return Done(entry["happened"])
    more = {name: entry[name] for name in ("form", "comment") if name in entry}
    return approval.on_decision(entry["decide"], by="ada", **more)


def _failures(base: type[NodeFailure]) -> Iterator[tuple[str, type[NodeFailure]]]:
    yield base.code, base
    for child in base.__subclasses__():
        yield from _failures(child)


def _output(node: PlanNode, path: str, entry: Mapping[str, Any]) -> Any:
    if node.kind == "llm":
        usage = {"input_tokens": 1, "output_tokens": 1, "cost": 0.0}
        answer = {"text": path, "data": None, "usage": usage, "model": "scripted", "finish_reason": "stop"}
        return {**answer, **entry.get("output", {})}
    if node.kind == "agent":
        usage = {"input_tokens": 1, "output_tokens": 1, "cost": 0.0}
        answer = {"text": path, "data": None, "steps": [], "usage": usage, "agent": None}
        return {**answer, **entry.get("output", {})}
    if "output" in entry:
        return entry["output"]
    if node.kind == "http":
        return {"status": 200, "headers": {}, "body": None}
    return node.settings.get("arguments", {})
