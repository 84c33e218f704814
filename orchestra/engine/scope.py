"""What the expressions of a node see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestra.engine.plan import PlanNode, Read
from orchestra.engine.status import NodeStatus


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How a node stands: its output (null unless it succeeded or was stood in for), status, and error if any."""

    output: Any = None
    status: str = NodeStatus.PENDING.value
    error: Mapping[str, Any] | None = None


def scope_for(
    node: PlanNode,
    results: Mapping[Read, NodeResult],
    *,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any],
    run: Mapping[str, Any],
    env: Mapping[str, Any],
    item: Any = None,
    index: int | None = None,
    loop: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the scope of a node: `inputs`, `vars`, `run`, `env`, `nodes`, and what the bodies around it add.

    `results` holds what `node.reads` names; what is missing reads as pending. `run` is `{id, started_at, number}`.
    `item` and `index` belong to the innermost map around the node (`index` None: there is none), `loop`, which is
    `{index, value}`, to the innermost loop.
    """
    return reading_scope(
        node.reads,
        results,
        inputs=inputs,
        variables=variables,
        run=run,
        env=env,
        item=item,
        index=index,
        loop=loop,
    )


def reading_scope(
    reads: tuple[Read, ...],
    results: Mapping[Read, NodeResult],
    *,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any],
    run: Mapping[str, Any],
    env: Mapping[str, Any],
    item: Any = None,
    index: int | None = None,
    loop: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the scope for given reads, such as `Plan.output_reads`; otherwise as `scope_for`."""
    scope: dict[str, Any] = {
        "inputs": inputs,
        "vars": variables,
        "run": run,
        "env": env,
        "nodes": {read.node: _visible(results.get(read, _PENDING)) for read in reads},
    }
    if index is not None:
        scope["item"] = item
        scope["index"] = index
    if loop is not None:
        scope["loop"] = loop
    return scope


_PENDING = NodeResult()


def _visible(result: NodeResult) -> dict[str, Any]:
    error = None if result.error is None else dict(result.error)
    return {"output": result.output, "status": str(result.status), "error": error}
