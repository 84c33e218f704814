"""The page of one run and what its script asks for: the state as JSON, the event log, cancelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from apps.runs.actions import cancel_run
from apps.runs.board import Board, lanes, offset, read_board
from apps.runs.models import Run
from apps.runs.result import blocks, raw_blocks
from apps.runs.undone import Undone, undone_in
from apps.runs.waiting import waiting_in
from apps.workflows.views.guards import person, rights, signed_in
from orchestra.engine.status import NodeStatus
from orchestra.errors import Conflict

EVENTS_SHOWN = 100
CHILDREN_SHOWN = 10
FORKS_SHOWN = 10
WRITING_KINDS = {"llm", "agent"}


@require_safe
@signed_in
def detail(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Everything about a run at one moment; the script takes it from there."""
    board = board_of(request, run_id)
    run = board.run
    context = {
        "board": board,
        "run": run,
        "states": board.states,
        "rows": timeline(board),
        "state_json": board.as_json(),
        "result": blocks(run.output),
        "given": raw_blocks(run.input),
        "failed": _failed(board),
        "undone": _undone(board),
        "waits": waiting_in(run, _titles(board)),
        "events": event_page(run, None),
        "formats": formats(),
        "writes": any(row.node.kind in WRITING_KINDS for row in board.states.values()),
        "children": run.children.select_related("workflow")
        .defer("input", "output", "error")
        .order_by("id")[:CHILDREN_SHOWN],
        "forks": run.forks.only("pk", "number").order_by("-id")[:FORKS_SHOWN],
        **rights(person(request), run.team),
    }
    return render(request, "runs/detail.html", context)


@require_safe
@signed_in
def state(request: HttpRequest, run_id: UUID) -> JsonResponse:
    """The state of the page as JSON: after a gap that is too long to be replayed."""
    return JsonResponse(board_of(request, run_id).as_json(), headers={"Cache-Control": "no-store"})


@require_safe
@signed_in
def ending(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """What stands at the top of the page: the run's result, why there is none, or what it waits for."""
    board = board_of(request, run_id)
    context = {
        "run": board.run,
        "result": blocks(board.run.output),
        "failed": _failed(board),
        "undone": _undone(board),
        "waits": waiting_in(board.run, _titles(board)),
    }
    return render(request, "runs/ending.html", context)


def _undone(board: Board) -> list[Undone]:
    return undone_in(board.run, _titles(board))


def _titles(board: Board) -> dict[str, str]:
    return {path: state.node.title for path, state in board.states.items()}


@require_safe
@signed_in
def events(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """A page of the event log before `?before=seq`, newest first, as a fragment."""
    run = find_run(request, run_id)
    before = request.GET.get("before", "")
    return render(request, "runs/events.html", {"run": run, "events": event_page(run, before)})


@require_POST
@signed_in
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Cancel the run; scripts get JSON, forms go back to the page."""
    run, wants_json = find_run(request, run_id), "application/json" in request.headers.get("Accept", "")
    try:
        run = cancel_run(run=run, by=person(request))
    except Conflict as error:
        if wants_json:
            return JsonResponse({"code": error.code, "detail": error.message}, status=error.status)
        messages.info(request, _("The run had already ended."))
    else:
        if wants_json:
            return JsonResponse({"status": run.status, "seq": run.seq})
        messages.success(request, _("The run is cancelled."))
    return redirect("runs:detail", run_id)


def find_run(request: HttpRequest, run_id: UUID) -> Run:
    """Return a run of one of the person's teams. Raises Http404."""
    found = Run.objects.visible_to(person(request)).select_related(
        "workflow", "version", "started_by", "team"
    )
    try:
        run: Run = found.defer(
            "version__plan", "version__text", "workflow__draft", "workflow__draft_text"
        ).get(pk=run_id)
    except Run.DoesNotExist:
        raise Http404 from None
    return run


def board_of(request: HttpRequest, run_id: UUID) -> Board:
    """Return the board of a run of one of the person's teams. Raises Http404."""
    found = Run.objects.visible_to(person(request)).select_related(
        "workflow", "version", "started_by", "team"
    )
    try:
        return read_board(found.defer("version__plan", "version__text", "workflow__draft"), run_id)
    except Run.DoesNotExist:
        raise Http404 from None


def timeline(board: Board) -> list[dict[str, Any]]:
    """Return the rows of the page: state, and its bars with place and lane in percent of what has passed."""
    end = offset(board.start, board.run.finished_at)
    ends = [bar.end for row in board.states.values() for bar in row.bars if bar.end]
    span = max(end or 0, max(ends, default=0), 1000)
    rows = []
    for row in board.states.values():
        places = lanes(row.bars)
        depth = max(places, default=0) + 1
        height = 100 / depth
        bars = [
            {
                "bar": bar,
                "x": f"{100 * bar.start / span:.3f}%",
                "width": f"{max(0.3, 100 * ((bar.end or span) - bar.start) / span):.3f}%",
                "y": f"{lane * height:.2f}%",
                "height": f"{height * (0.78 if depth > 1 else 1):.2f}%",
            }
            for bar, lane in zip(row.bars, places, strict=True)
        ]
        rows.append({"state": row, "bars": bars})
    return rows


def _failed(board: Board) -> list[Any]:
    """Return the rows that explain a failure, the innermost first."""
    found = [row for row in board.states.values() if row.status == NodeStatus.FAILED and row.error]
    return sorted(found, key=lambda row: -row.depth)[:5]


def event_page(run: Run, before: str | None) -> list[dict[str, Any]]:
    """Return the newest events, or those before a `seq`, each with what it says in words."""
    found = run.events.order_by("-seq")
    if before and before.isdecimal():
        found = found.filter(seq__lt=int(before[:18]))
    return [{"event": event, "details": _details(event.data)} for event in found[:EVENTS_SHOWN]]


def _details(data: Mapping[str, Any]) -> str:
    if isinstance(data.get("error"), Mapping):
        return str(data["error"].get("message", ""))
    if "items" in data:
        return ngettext("%(n)s item", "%(n)s items", data["items"]) % {"n": data["items"]}
    if "attempt" in data:
        return _("attempt %(n)s") % {"n": data["attempt"]}
    said = [data.get(name) for name in ("title", "name", "decision", "by", "reason")]
    return " · ".join(str(part) for part in said if part)


def formats() -> dict[str, str]:
    """Return how durations and money are written, for the page's script: as the filters of `figures` do."""
    return {
        "currency": settings.ORCHESTRA_CURRENCY,
        "seconds": _("%(seconds)s s"),
        "minutes": _("%(minutes)s min %(seconds)s s"),
        "hours": _("%(hours)s h %(minutes)s min"),
    }
