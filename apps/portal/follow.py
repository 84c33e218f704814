"""Following a run in a terminal: a bar per node, fed by the event log alone, so any process can watch any run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from apps.runs.figures import workers
from apps.runs.models import Event, Run
from orchestra.engine.codec import plan_from_json
from orchestra.engine.plan import Plan
from orchestra.engine.status import FINAL_NODE, FINAL_RUN, EventType, NodeStatus

PAUSE_SECONDS = 0.2
BATCH = 500
UNTOUCHED = timedelta(seconds=5)
"""After this long without a worker's sign, people are told what may be missing."""

STYLES = {
    NodeStatus.SUCCEEDED: "green",
    NodeStatus.FAILED: "red",
    NodeStatus.RUNNING: "cyan",
    NodeStatus.WAITING: "cyan",
    NodeStatus.SKIPPED: "dim",
    NodeStatus.CANCELLED: "yellow",
}
LASTS = {f"run.{status}" for status in FINAL_RUN}
BY_EVENT = {
    EventType.NODE_QUEUED: NodeStatus.QUEUED,
    EventType.NODE_STARTED: NodeStatus.RUNNING,
    EventType.NODE_WAITING: NodeStatus.WAITING,
    EventType.NODE_RETRYING: NodeStatus.QUEUED,
    EventType.NODE_SUCCEEDED: NodeStatus.SUCCEEDED,
    EventType.NODE_FAILED: NodeStatus.FAILED,
    EventType.NODE_SKIPPED: NodeStatus.SKIPPED,
    EventType.NODE_CANCELLED: NodeStatus.CANCELLED,
}


@dataclass(slots=True)
class Line:
    """What is shown of one node: maps count their items."""

    title: str
    status: NodeStatus = NodeStatus.PENDING
    done: int = 0
    total: int = 1
    note: str = ""

    @property
    def text(self) -> Text:
        return Text(f"{self.status}{self.note}", style=STYLES.get(self.status, ""))


class Board:
    """The state of a run's own nodes, as its events tell it."""

    def __init__(self, plan: Plan) -> None:
        self.lines = {node.id: Line(node.title) for node in plan.nodes.values()}

    def take(self, type_: str, path: str, data: Mapping[str, Any]) -> str | None:
        """Let an event change the board; return the id of the node that changed, None for other events."""
        top, bracket, rest = path.partition("[")
        line = self.lines.get(top)
        if line is None or type_ not in BY_EVENT:
            return None
        status = BY_EVENT[EventType(type_)]
        if not bracket:
            self._settle(line, status, data)
        elif rest.endswith("]") and rest.count("]") == 1 and status in FINAL_NODE:
            line.done = min(line.done + 1, line.total)
        return top

    def _settle(self, line: Line, status: NodeStatus, data: Mapping[str, Any]) -> None:
        is_map = "items" in data
        line.status = NodeStatus.RUNNING if is_map else status
        line.total = int(data["items"]) if is_map else line.total
        attempt = int(data.get("attempt", 1))
        line.note = f" (try {attempt})" if attempt > 1 and status not in FINAL_NODE else ""
        if status in FINAL_NODE:
            line.done = line.total  # an empty map too is all done


def events_of(run_id: Any, *, pause: float = PAUSE_SECONDS) -> Iterator[Event | None]:
    """Yield the events of a run up to its last one, and None whenever there is nothing new."""
    seq = 0
    while True:
        found = list(Event.objects.filter(run_id=run_id, seq__gt=seq).order_by("seq")[:BATCH])
        for event in found:
            seq = event.seq
            yield event
            if event.type in LASTS:
                return
        if not found:
            yield None
            if not connection.in_atomic_block:
                connection.close()
            time.sleep(pause)


def follow(run: Run, console: Console, *, pause: float = PAUSE_SECONDS) -> Run:
    """Show a run until it has ended and return it as it is then. A terminal gets bars, a file one line per change."""
    board = Board(plan_from_json(run.version.plan))
    shown = _bars if console.is_terminal else _lines
    shown(run, board, console, pause)
    run.refresh_from_db()
    return run


def _bars(run: Run, board: Board, console: Console, pause: float) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}", justify="right"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {
            node: progress.add_task(line.title, total=1, state=line.text.plain, start=False)
            for node, line in board.lines.items()
        }
        for event in _watched(run, console, pause):
            node = board.take(event.type, event.node, event.data)
            if node is None:
                continue
            line, bar = board.lines[node], bars[node]
            if line.status not in (NodeStatus.PENDING, NodeStatus.QUEUED):
                progress.start_task(bar)
            progress.update(bar, total=line.total, completed=line.done, state=_markup(line))
            if line.status in FINAL_NODE:
                progress.stop_task(bar)


def _markup(line: Line) -> str:
    style = STYLES.get(line.status, "")
    return f"[{style}]{line.text.plain}[/]" if style else line.text.plain


def _lines(run: Run, board: Board, console: Console, pause: float) -> None:
    for event in _watched(run, console, pause):
        before = {node: (line.status, line.done) for node, line in board.lines.items()}
        node = board.take(event.type, event.node, event.data)
        if node is not None and before[node] != (board.lines[node].status, board.lines[node].done):
            line = board.lines[node]
            count = f" {line.done}/{line.total}" if line.total > 1 else ""
            console.print(
                f"{event.at:%H:%M:%S} {node}: {line.text.plain}{count}", highlight=False, markup=False
            )


def _watched(run: Run, console: Console, pause: float) -> Iterator[Event]:
    """Yield the events; say once what may be missing when no worker takes the run."""
    since = timezone.now()
    is_untouched = True
    for event in events_of(run.pk, pause=pause):
        if event is not None:
            is_untouched = is_untouched and event.type in (EventType.RUN_QUEUED, EventType.NODE_QUEUED)
            yield event
        elif is_untouched and timezone.now() - since > UNTOUCHED:
            is_untouched = False
            if not any(worker.is_alive for worker in workers()):
                console.print("No worker is alive, so the run waits: start `manage.py up`.", style="yellow")


def show_result(run: Run, console: Console) -> None:
    """Print how a run ended: its output, text as Markdown; or its error with what to do."""
    seconds = run.duration_seconds or 0
    tokens = run.input_tokens + run.output_tokens
    console.print(
        f"Run {run.number} of {run.workflow.slug} {run.status} after {seconds:.1f} s, {tokens} tokens.",
        style=STYLES.get(NodeStatus(run.status), "bold"),
        highlight=False,
    )
    if run.error:
        place = f"{run.error['node']}: " if run.error.get("node") else ""
        console.print(f"{place}{run.error.get('message', '')}", style="red", markup=False, highlight=False)
        if hint := run.error.get("hint"):
            console.print(hint, markup=False, highlight=False)
    output = run.output if isinstance(run.output, dict) else {"output": run.output}
    for name, value in output.items() if run.output is not None else ():
        if isinstance(value, str) and len(value) > console.width // 2:
            console.rule(name)
            console.print(Markdown(value) if console.is_terminal else Text(value))
        else:
            console.print(f"{name}:", value, markup=False)
