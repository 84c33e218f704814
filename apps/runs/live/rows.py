"""What the reading side asks the database: the log of a run, the ends of logs, a team's run events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from apps.runs.events import APPROVAL_EVENTS, envelope_of
from apps.runs.live.frames import Frame, frame_of
from apps.runs.live.wire import TextKey
from apps.runs.models import Event, NodeRun, Run
from orchestra.engine.status import FINAL_NODE, FINAL_RUN, EventType, RunStatus

RUN_EVENTS = tuple(type_.value for type_ in EventType if type_.value.startswith("run."))
TEAM_LIMIT = 500
IN_LIMIT = 500
"""Values of one `IN` list."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a run's log: its last `seq`, and whether the run has ended."""

    seq: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class TeamEvent:
    """A run event of a team, and its row's id: the mark up to which a reader has seen."""

    id: int
    team_id: str
    run_id: str
    frame: Frame


def read_log(run_id: str, after: int | None, limit: int) -> tuple[Head | None, list[Frame]]:
    """Return the end of a run's log, and the events after `after` where they are at most `limit`.

    The end is None for a run that does not exist; with `after` None no events are read.
    """
    row = Run.objects.filter(pk=run_id).values_list("seq", "status").first()
    if row is None:
        return None, []
    head = Head(row[0], row[1] in FINAL_RUN)
    if after is None or not 0 < head.seq - after <= limit:
        return head, []
    return head, read_events(run_id, after, head.seq)


def read_events(run_id: str, after: int, upto: int) -> list[Frame]:
    """Return the events of a run with `after` < seq <= `upto`, in order."""
    rows = Event.objects.filter(run_id=run_id, seq__gt=after, seq__lte=upto).order_by("seq")
    return [
        frame_of(envelope_of(run_id, seq, type_, node, at, data))
        for seq, type_, node, at, data in rows.values_list("seq", "type", "node", "at", "data")
    ]


def read_heads(run_ids: Sequence[str]) -> dict[str, int]:
    """Return the last `seq` of each of these runs that exists."""
    heads: dict[str, int] = {}
    for start in range(0, len(run_ids), IN_LIMIT):
        rows = Run.objects.filter(pk__in=run_ids[start : start + IN_LIMIT]).values_list("pk", "seq")
        heads.update({str(pk): seq for pk, seq in rows})
    return heads


def read_mark() -> int:
    """Return the id of the last event of the whole log."""
    return Event.objects.aggregate(last=Max("id"))["last"] or 0


def read_team_events(team_ids: Collection[str], after: int) -> list[TeamEvent]:
    """Return the run events of teams whose rows' ids are above `after`, oldest first, at most 500."""
    rows = (
        Event.objects.filter(id__gt=after, type__in=RUN_EVENTS, run__team_id__in=list(team_ids))
        .order_by("id")
        .values_list(
            "id", "run__team_id", "run_id", "seq", "type", "at", "data", "run__workflow__slug", "run__number"
        )
    )
    return [_team_event(*row) for row in rows[:TEAM_LIMIT]]


def read_approval_events(team_ids: Collection[str], after: int) -> list[TeamEvent]:
    """Return the approval events of teams whose rows' ids are above `after`, oldest first, at most 500."""
    rows = (
        Event.objects.filter(id__gt=after, type__in=APPROVAL_EVENTS, run__team_id__in=list(team_ids))
        .order_by("id")
        .select_related("run__workflow")
        .defer("run__input", "run__output")
    )
    return [_approval_event(event) for event in rows[:TEAM_LIMIT]]


def _approval_event(event: Event) -> TeamEvent:
    run = event.run
    told = {**event.data, "workflow": run.workflow.slug, "number": run.number}
    envelope = envelope_of(str(run.pk), event.seq, event.type, event.node, event.at, told)
    return TeamEvent(event.pk, str(run.team_id), str(run.pk), frame_of(envelope))


def _team_event(
    id_: int, team: Any, run: Any, seq: int, type_: str, at: Any, data: Any, *label: Any
) -> TeamEvent:
    workflow, number = label
    told = {**data, "workflow": workflow, "number": number, "status": status_after(type_)}
    return TeamEvent(id_, str(team), str(run), frame_of(envelope_of(str(run), seq, type_, "", at, told)))


def status_after(type_: str) -> str:
    """Return the run's status that a run event tells of."""
    if type_ in {EventType.RUN_STARTED, EventType.RUN_RESUMED}:
        return RunStatus.RUNNING.value
    return type_.removeprefix("run.")


def ended_texts(run_id: str, keys: Collection[TextKey]) -> set[TextKey]:
    """Return which of these texts belong to attempts that have ended."""
    if not keys:
        return set()
    paths = list({key.path for key in keys})
    nodes: dict[str, tuple[str, int]] = {}
    for start in range(0, len(paths), IN_LIMIT):
        rows = NodeRun.objects.filter(run_id=run_id, path__in=paths[start : start + IN_LIMIT])
        nodes.update(
            {
                path: (status, attempt)
                for path, status, attempt in rows.values_list("path", "status", "attempt")
            }
        )
    return {key for key in keys if _has_ended(key, nodes.get(key.path))}


def _has_ended(key: TextKey, node: tuple[str, int] | None) -> bool:
    return node is not None and (node[0] in FINAL_NODE or node[1] > key.attempt)
