"""Engines that are broken on purpose, so that the checker can be seen to notice: what stands in for which part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.runs.actions.doubt import Doubt
from apps.runs.actions.operations import HandBack, Record
from apps.runs.actions.state import RunState
from apps.runs.rows import NodeRow
from orchestra.engine.status import NodeStatus

Replacements = tuple[tuple[type, str, Any], ...]
"""(class, attribute, what stands in for it)."""


def _held_without_fence(state: RunState, operation: Record | HandBack) -> NodeRow | None:
    row = state.load([operation.path])[0]
    return row if row.status == NodeStatus.RUNNING else None


def _held_without_status(state: RunState, operation: Record | HandBack) -> NodeRow | None:
    row = state.load([operation.path])[0]
    return row if row.fence == operation.hold.fences.get(operation.path) else None


def _leaving_the_fence(real: Any) -> Any:
    def change(state: RunState, row: NodeRow, *arguments: Any) -> NodeRow:
        fence = row.fence
        real(state, row, *arguments)
        row.fence = fence
        return row

    return change


def _never_doubts(_doubt: Doubt) -> bool:
    return False


CLAIM_WITHOUT_FENCE: Replacements = (
    (RunState, "claim", _leaving_the_fence(RunState.claim)),
    (RunState, "hand_back", _leaving_the_fence(RunState.hand_back)),
)
RECORD_WITHOUT_FENCE: Replacements = ((RunState, "held", _held_without_fence),)
RECORD_WITHOUT_STATUS: Replacements = (
    (RunState, "held", _held_without_status),
    (Doubt, "was_committed", _never_doubts),
)
FORGET_ANSWERS: Replacements = ((Doubt, "was_committed", _never_doubts),)

BROKEN: Mapping[str, tuple[Replacements, str]] = {
    "claim-without-fence": (CLAIM_WITHOUT_FENCE, "recorded what attempt"),
    "record-without-status": ((*CLAIM_WITHOUT_FENCE, *RECORD_WITHOUT_STATUS), "more than once"),
}
"""What real processes are broken with, by name, and the words by which the checker notices when a worker comes back."""


def break_engine(replacements: Replacements) -> None:
    """Break the engine of this process, for as long as it lives."""
    for owner, name, stand_in in replacements:
        setattr(owner, name, stand_in)
