"""The panel of one node of a run: what went in, what came out, what went wrong; and the items of maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Max, Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.runs.board import template_path
from apps.runs.handed_over import assignments_of, choice_of
from apps.runs.models import NodeRun, Run
from apps.runs.result import as_json, blocks, raw_blocks, render_markdown
from apps.runs.steps import steps_of
from apps.runs.told import tell_calls, why_of
from apps.runs.undone import undoing_of
from apps.runs.views.page import find_run
from apps.runs.why import why
from apps.workflows.graph import DrawnNode, draw
from apps.workflows.views.guards import person, rights, signed_in
from orchestra.engine.effects import EFFECT
from orchestra.engine.nodes.wait import signal_key
from orchestra.engine.plan import ITEM, UNDO, owner_of, split_path
from orchestra.engine.status import NodeStatus

ITEMS_SHOWN = 50
CHILDREN_SHOWN = 20


@require_safe
@signed_in
def node(request: HttpRequest, run_id: UUID, path: str) -> HttpResponse:
    """One node run; for `views[].draft` its runs in all items. A fragment for scripts, else a page."""
    run = find_run(request, run_id)
    drawn = {found.path: found for found in draw(run.version.definition).nodes}
    read = _runs_of if "[]" in path else _one
    context = read(request, run, path, drawn)
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    context |= {"run": run, "path": path, "is_fragment": is_fragment, **rights(person(request), run.team)}
    return render(request, "runs/node_panel.html" if is_fragment else "runs/node.html", context)


def _one(request: HttpRequest, run: Run, path: str, drawn: Mapping[str, DrawnNode]) -> dict[str, Any]:
    try:
        row = run.node_runs.get(path=path)
    except NodeRun.DoesNotExist:
        raise Http404 from None
    output, output_is_cut = as_json(row.output)
    context = {
        "row": row,
        "kind": row.kind,
        "title": _title(path, drawn),
        "trail": _trail(path, drawn),
        "text": _text_of(row.output),
        "blocks": [] if _text_of(row.output) else blocks(row.output),
        "steps": steps_of(row),
        "attempts": [(one, tell_calls(one.get("calls") or ())) for one in row.attempts],
        "is_explained": any(why_of(one) for one in row.attempts),
        "output": output if row.output is not None else "",
        "output_is_cut": output_is_cut,
        "given": raw_blocks(row.input),
        "seconds": _seconds(row),
        "key": f"{run.pk}/{path}",
        "why": why(row, run),
        "signal": row.waiting_for.removeprefix(signal_key("")) if row.kind == "wait" else "",
        "undoing": undoing_of(run, path),
        "acts_outside": row.kind in {"llm", "http", "function", "agent", "tool"},
    }
    if row.kind == "agent":
        context |= {"choice": choice_of(row), "assignments": assignments_of(row)}
    if row.kind == "workflow":
        started = run.children.filter(parent_path=path).select_related("workflow").order_by("-id")
        context["children"] = started.defer("input", "output", "error")[:CHILDREN_SHOWN]
    if row.waiting_for == EFFECT:
        context |= _effect(run, path)
    if row.kind in {"map", "loop"}:
        context |= _items(request, run, run.node_runs.filter(owner=path, node=ITEM))
    elif row.kind == "item":
        context["inside"] = (
            run.node_runs.filter(scope=path).exclude(node=ITEM).defer("input", "output", "attempts")
        )
        context["titles"] = {found.id: found.title for found in drawn.values()}
        context["item_text"] = as_json(row.item)[0]
    return context


def _effect(run: Run, path: str) -> dict[str, Any]:
    """Return what is known of an effect that a person has to decide about."""
    effect = run.effects.filter(path=path).first()
    late = "" if effect is None or effect.late_output is None else as_json(effect.late_output)[0]
    return {"effect": effect, "late": late}


def _runs_of(request: HttpRequest, run: Run, path: str, drawn: Mapping[str, DrawnNode]) -> dict[str, Any]:
    if path not in drawn:
        raise Http404
    owner, _, name = path.rpartition("[].")
    found = run.node_runs.filter(node=name)
    if "[]" in owner:
        found = found.filter(owner__regex="^" + re.escape(owner).replace(r"\[\]", r"\[[0-9]+\]") + "$")
    else:
        found = found.filter(owner=owner)
    return {
        "row": None,
        "kind": drawn[path].kind,
        "title": drawn[path].title,
        "trail": _trail(owner, drawn, is_whole=True),
        **_items(request, run, found),
    }


def _items(request: HttpRequest, run: Run, found: QuerySet[NodeRun]) -> dict[str, Any]:
    """Return one page of the runs in a map's items: `?page=`, `?failed=1` for those that failed."""
    is_failed = request.GET.get("failed") == "1"
    if is_failed:
        found = found.filter(status=NodeStatus.FAILED)
    number = request.GET.get("page", "1")
    page = max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1
    start = (page - 1) * ITEMS_SHOWN
    rows = found.order_by("owner", "item_index", "id").defer("input", "attempts")
    shown = list(rows[start : start + ITEMS_SHOWN + 1])
    lengths = _lengths(run, shown)
    return {
        "items": [
            {"row": row, "preview": _preview(row), "seconds": lengths.get(row.path, _seconds(row))}
            for row in shown[:ITEMS_SHOWN]
        ],
        "page": page,
        "previous": page - 1,
        "next": page + 1 if len(shown) > ITEMS_SHOWN else 0,
        "is_failed": is_failed,
    }


def _lengths(run: Run, shown: list[NodeRun]) -> dict[str, float]:
    """Return how long items took, by path: from the first start to the last end of the nodes inside."""
    items = [row.path for row in shown if row.node == ITEM and row.finished_at]
    inside = run.node_runs.filter(scope__in=items, started_at__isnull=False).order_by().values("scope")
    spans = inside.annotate(first=Min("started_at"), last=Max("finished_at"))
    return {row["scope"]: (row["last"] - row["first"]).total_seconds() for row in spans if row["last"]}


def _preview(row: NodeRun) -> str:
    """Return the first words of what came out of a node run, or of the item that went in."""
    value = row.output if row.output is not None else row.item
    if isinstance(value, Mapping):
        value = value.get("text") or value
    text = value if isinstance(value, str) else as_json(value)[0] if value is not None else ""
    return " ".join(text[:400].split())[:120]


def _text_of(output: Any) -> Any:
    """Return the text that a model wrote, as HTML; None for outputs of another shape."""
    text = output.get("text") if isinstance(output, Mapping) else None
    return render_markdown(text[:40_000]) if isinstance(text, str) else None


def _seconds(row: NodeRun) -> float | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return (row.finished_at - row.started_at).total_seconds()


def _title(path: str, drawn: Mapping[str, DrawnNode]) -> str:
    scope, name = split_path(path)
    if name == ITEM:
        owner, index = owner_of(scope)
        found = drawn.get(template_path(owner.removesuffix(UNDO)))
        if owner.endswith(UNDO):
            return _("Undoing %(node)s") % {"node": found.title if found else owner.removesuffix(UNDO)}
        return f"{found.title if found else owner} [{index}]"
    found = drawn.get(template_path(path))
    return found.title if found else name


def _trail(path: str, drawn: Mapping[str, DrawnNode], *, is_whole: bool = False) -> list[tuple[str, str]]:
    """Return (path, title) of what stands around a node, the outermost first."""
    trail = [(path, _title(path, drawn))] if is_whole and "[]" not in path else []
    scope, name = split_path(path) if "[]" not in path else ("", "")
    while scope and name == ITEM:
        path = owner_of(scope)[0].removesuffix(UNDO)
        trail.append((path, _title(path, drawn)))
        scope, name = split_path(path)
    while scope:
        trail.append((scope, _title(scope, drawn)))
        owner = owner_of(scope)[0].removesuffix(UNDO)
        trail.append((owner, _title(owner, drawn)))
        scope, _name = split_path(owner)
    return list(reversed(trail))
