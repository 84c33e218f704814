"""What an agent has done until now: the steps of its end, or, while it works, those of its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.runs.ledger import JournalEntry
from apps.runs.models import NodeRun
from orchestra.engine.status import FINAL_NODE


def steps_of(row: NodeRun) -> list[Mapping[str, Any]]:
    """Return the steps as they stand in `output.steps`; a call that has no result yet has `is_open`."""
    if row.kind != "agent":
        return []
    found = row.output if isinstance(row.output, Mapping) and "steps" in row.output else row.error
    steps = found.get("steps") if isinstance(found, Mapping) else None
    if isinstance(steps, list) and row.status in FINAL_NODE:
        return [step for step in steps if isinstance(step, Mapping)]
    rows = list(JournalEntry.objects.filter(run_id=row.run_id, path=row.path).order_by("id"))
    newest = max((one.round for one in rows), default=0)
    return _told({one.key: one.entry for one in rows if one.round == newest})


def _told(entries: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    answers = sorted(int(key[1:]) for key in entries if key[:1] == "m" and key[1:].isdecimal())
    return [step for number in answers for step in _step(number, entries[f"m{number}"], entries)]


def _step(
    number: int, answer: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return one answer of the model and the calls that it asked for, in their order."""
    found: list[Mapping[str, Any]] = [answer["step"]]
    for index, (name, call) in enumerate(zip(answer["step"]["calls"], answer["calls"], strict=True)):
        entry = entries.get(f"t{number}.{index}", {})
        begun = {
            "step": number,
            "type": "tool",
            "tool": name,
            "arguments": call["arguments"],
            "is_open": True,
        }
        found.append(entry.get("step", begun))
    return found
