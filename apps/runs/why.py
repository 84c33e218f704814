"""Why a node run is not running: one code and one sentence, from its row and what stands around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.runs import figures
from apps.runs.actions.assignments import can_anybody
from apps.runs.actions.items import ITEMS
from apps.runs.actions.waits import RETRY
from apps.runs.models import Assignment, NodeRun, Run
from orchestra.engine.codec import plan_from_json
from orchestra.engine.context import LIMIT
from orchestra.engine.effects import EFFECT
from orchestra.engine.nodes.approval import WAITING_FOR as APPROVAL
from orchestra.engine.nodes.handover import WAITING_FOR as AGENT
from orchestra.engine.nodes.wait import TIME, signal_key
from orchestra.engine.nodes.workflow import WAITING_FOR as CHILD
from orchestra.engine.plan import INLINE, owner_of, path_of
from orchestra.engine.status import FINAL_NODE, NodeStatus, RunStatus

BUDGET = f"{LIMIT}budget:"
COUNTED = 1000
"""Of what stands before it in the queue; more is said as “more than”."""
NAMED = 5


@dataclass(frozen=True, slots=True)
class Why:
    """Why a node run is not running: `code` is stable, `text` is in the reader's language."""

    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}


@dataclass(frozen=True, slots=True)
class Around:
    """What has to be known besides the row itself; read by `look_around`, which only reads what its status needs."""

    now: datetime
    run_status: str
    is_held: bool = False
    """The run waits for a place among the runs of its workflow."""
    before: tuple[str, ...] = ()
    """Paths of the nodes that it follows and that have not settled."""
    held_by: str = ""
    """The map whose concurrency holds its item back."""
    items_open: int = 0
    is_anybody_able: bool = True
    """Some enabled agent could do what it waits for."""
    is_served: bool = True
    """A living worker takes from its queue."""
    ahead: int = 0
    """Node runs queued before it in the same queue, counted up to `COUNTED`."""
    delay: float | None = None
    """What a message needs in its queue, in seconds."""


def why(node: NodeRun, run: Run) -> Why | None:
    """Return why a node run is not running; None when it runs or has ended."""
    if node.status in FINAL_NODE or node.status == NodeStatus.RUNNING:
        return None
    return explain(node, look_around(node, run))


def explain(node: NodeRun, around: Around) -> Why:
    """Say why a node run that is neither running nor ended waits. Pure."""
    if around.run_status == RunStatus.PAUSED and node.waiting_for.startswith(BUDGET):
        text = _("The budget “%(name)s” is spent. Raise it, then resume the run.")
        return Why("budget", text % {"name": node.waiting_for.removeprefix(BUDGET)})
    if around.run_status == RunStatus.PAUSED:
        return Why("paused", _("The run is paused; resume it to let this go on."))
    if node.status == NodeStatus.WAITING:
        return _of_waiting(node, around)
    if around.is_held:
        return Why("place", _("As many runs of this workflow go on as may; it starts when one of them ends."))
    if around.run_status == RunStatus.QUEUED:
        return Why("run_queued", _("The run has been accepted and waits for a worker to begin it."))
    if node.status == NodeStatus.QUEUED:
        return _of_queued(node, around)
    return _of_pending(around)


def look_around(node: NodeRun, run: Run) -> Around:
    """Read what explains a node run of this status."""
    is_held = run.is_held and run.status == RunStatus.QUEUED
    around: dict[str, Any] = {"now": timezone.now(), "run_status": run.status, "is_held": is_held}
    if node.status == NodeStatus.WAITING and node.waiting_for == ITEMS:
        around["items_open"] = node.unsettled
    elif node.status == NodeStatus.WAITING and node.waiting_for == AGENT:
        asked = Assignment.objects.filter(run=run, path=node.path).first()
        around["is_anybody_able"] = asked is None or can_anybody(asked)
    elif node.status == NodeStatus.QUEUED:
        around |= _queue_of(node)
    elif node.status == NodeStatus.PENDING and run.status != RunStatus.QUEUED:
        around |= _before(node, run)
    return Around(**around)


def _of_waiting(node: NodeRun, around: Around) -> Why:
    until = _time(node.due_at)
    if node.waiting_for == RETRY:
        return Why(
            "back_off", _("The last attempt failed; the next one begins at %(time)s.") % {"time": until}
        )
    if node.waiting_for == ITEMS:
        text = ngettext(
            "One of its items has not ended.", "%(count)d of its items have not ended.", around.items_open
        )
        return Why("items", text % {"count": around.items_open})
    if node.waiting_for.startswith(LIMIT):
        return _of_limit(node, until)
    if node.waiting_for == TIME:
        return Why("time", _("It waits until %(time)s.") % {"time": until})
    if node.waiting_for.startswith(signal_key("")):
        name = node.waiting_for.removeprefix(signal_key(""))
        return Why("signal", _("It waits for the signal “%(name)s”.") % {"name": name} + _expiry(until))
    if node.waiting_for == EFFECT:
        return Why("effect", _("Nobody knows whether its effect happened; it waits for somebody to say so."))
    if node.waiting_for.startswith(AGENT):
        return _of_agent(node, around)
    if node.waiting_for == CHILD:
        return Why("child", _("It waits for the end of its child run."))
    if node.waiting_for == APPROVAL:
        return _of_question(node, until)
    return Why("outside", _("It waits for: %(name)s.") % {"name": node.waiting_for} + _expiry(until))


def _of_agent(node: NodeRun, around: Around) -> Why:
    _waiting, _colon, slug = node.waiting_for.partition(":")
    if slug:
        return Why("agent", _("The remote agent “%(name)s” works on it.") % {"name": slug})
    if not around.is_anybody_able:
        text = _("No agent can do this: none has the capabilities that it requires, or all are disabled.")
        return Why("no_capable_agent", text)
    return Why("no_free_agent", _("It waits for an agent that can do this to be there and free."))


def _of_question(node: NodeRun, until: str) -> Why:
    if node.kind == APPROVAL:
        return Why("approval", _("It waits for somebody to decide.") + _expiry(until))
    return Why("approval", _("It waits for somebody to allow a call of a tool."))


def _of_limit(node: NodeRun, until: str) -> Why:
    limit, _colon, connection = node.waiting_for.removeprefix(LIMIT).partition(":")
    words = {
        "requests": _("The connection %(name)s has used its requests of this minute."),
        "tokens": _("The connection %(name)s has used its tokens of this minute."),
        "concurrency": _("The connection %(name)s has as many calls under way as it may."),
        "share": _("Other teams wait for the same provider; it is their turn."),
        "interactive": _("Somebody waits in person for the same provider; that goes first."),
        "cost": _("The calls under way may use up what the run may cost."),
        "provider": _("The provider has asked for a pause."),
        "breaker": _("Too many calls to the connection %(name)s have failed; it is left alone for a moment."),
        "budget": _("The budget “%(name)s” has nothing left for it now."),
    }
    text = words.get(limit, _("A limit is reached.")) % {"name": connection}
    return Why("limit", f"{text} " + _("It tries again at %(time)s.") % {"time": until})


def _of_queued(node: NodeRun, around: Around) -> Why:
    if not around.is_served:
        return Why(
            "no_worker", _("No worker serves the queue “%(queue)s”; start one.") % {"queue": node.queue}
        )
    seconds = int((around.now - node.queued_at).total_seconds()) if node.queued_at else 0
    text = _("It has been in the queue “%(queue)s” for %(seconds)s s") % {
        "queue": node.queue,
        "seconds": seconds,
    }
    if around.ahead:
        many = _("more than %(count)s") % {"count": COUNTED} if around.ahead > COUNTED else str(around.ahead)
        text += _(", behind %(count)s others") % {"count": many}
    if around.delay:
        text += _("; messages need %(seconds)s s there") % {"seconds": round(around.delay, 1)}
    return Why("queued", _("%(text)s.") % {"text": text})


def _of_pending(around: Around) -> Why:
    if around.before:
        names = ", ".join(around.before[:NAMED]) + (", …" if len(around.before) > NAMED else "")
        return Why("before", _("It follows what has not ended yet: %(names)s.") % {"names": names})
    if around.held_by:
        text = _("Its item has not begun: %(name)s works on no more of them at a time.")
        return Why("item", text % {"name": around.held_by})
    return Why("starting", _("It is about to be queued."))


def _queue_of(node: NodeRun) -> dict[str, Any]:
    alive = [worker for worker in figures.workers() if worker.is_alive]
    any_queue = node.queue == INLINE
    ahead = NodeRun.objects.filter(
        status=NodeStatus.QUEUED,
        queue=node.queue,
        queued_at__lt=node.queued_at,
        run__status=RunStatus.RUNNING,
    )
    return {
        "is_served": any(any_queue or node.queue in worker.queues for worker in alive),
        "ahead": len(ahead.order_by().values_list("pk", flat=True)[: COUNTED + 1]),
        "delay": figures.queue_delays().get(node.queue),
    }


def _before(node: NodeRun, run: Run) -> dict[str, Any]:
    plan = plan_from_json(run.version.plan).at(node.scope)
    paths = {path_of(node.scope, edge.source) for edge in plan.nodes[node.node].needs}
    if paths:
        settled = run.node_runs.filter(path__in=paths, status__in=FINAL_NODE).values_list("path", flat=True)
        return {"before": tuple(sorted(paths - set(settled)))}
    return {"held_by": owner_of(node.scope)[0]} if node.scope else {}


def _expiry(until: str) -> str:
    return " " + _("It stops waiting at %(time)s.") % {"time": until} if until else ""


def _time(at: datetime | None) -> str:
    return date_format(timezone.localtime(at), "Y-m-d H:i:s") if at else ""
