"""Assignments as agents see them: who gets one, for how long, and how it ends: once, by the holder of its fence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.agents.matching import choose_agent, is_anybody_able
from apps.agents.models import Agent, AgentKind, Presence
from apps.runs import live
from apps.runs.actions.assigning import free_slots
from apps.runs.actions.outside import States, change_runs, load_whole
from apps.runs.assignments import Assignment, AssignmentStatus
from apps.runs.figures import MOST_LOSSES
from orchestra.engine.attempt import plain_output
from orchestra.engine.nodes.handover import WAITING_FOR, AgentLost
from orchestra.engine.selection import Choice
from orchestra.engine.status import EventType, NodeStatus, RunStatus
from orchestra.errors import NodeFailure, TimeLimit

BATCH = 100
MESSAGE_CHARACTERS = 2000
WEIGHT = 0.2
"""Of the last assignment in an agent's mean latency and success."""

Held = tuple[UUID, int]
"""An assignment and the fence with which an agent holds it."""


class _Taken(Exception):
    """Somebody else was first, or there is no room any more: nothing of this is written."""


def hand_out(team_id: UUID | None = None) -> set[UUID]:
    """Give queued assignments to agents that are free; return those agents. Safe to run anywhere and at once."""
    queued = Assignment.objects.filter(
        status=AssignmentStatus.QUEUED, run__status__in=[RunStatus.RUNNING, RunStatus.WAITING]
    )
    if team_id is not None:
        queued = queued.filter(team_id=team_id)
    given: set[UUID] = set()
    in_vain: set[str] = set()
    for found in queued.order_by("-priority", "id")[:BATCH]:
        wish = repr((found.team_id, found.wanted, found.requires, found.refused_by))
        choice = None if wish in in_vain else _choice_for(found)
        if choice is None:
            in_vain.add(wish)
        elif _lease(found, choice):
            given.add(UUID(choice.candidate.id))
    return given


def collect(agent_ids: Iterable[UUID]) -> list[Assignment]:
    """Return what was given to some agents and not sent to them yet, marked as sent."""
    waiting = Assignment.objects.filter(
        status=AssignmentStatus.LEASED, delivered_at=None, agent_id__in=list(agent_ids)
    )
    found = []
    for one in waiting.order_by("-priority", "id")[: 10 * BATCH]:
        same = Assignment.objects.filter(pk=one.pk, fence=one.fence, delivered_at=None)
        if same.filter(status=AssignmentStatus.LEASED).update(delivered_at=timezone.now()):
            found.append(one)
    return found


def renew(agent: Agent, held: Sequence[Held]) -> list[UUID]:
    """Prolong the leases of what an agent says that it holds; return what of it is no longer its own."""
    mine = Assignment.objects.filter(
        agent=agent, status=AssignmentStatus.LEASED, pk__in=[pk for pk, _fence in held]
    )
    fences = dict(mine.values_list("pk", "fence"))
    kept = [pk for pk, fence in held if fences.get(pk) == fence]
    mine.filter(pk__in=kept).update(lease_until=_lease_end())
    return [pk for pk, _fence in held if pk not in set(kept)]


def send_again(agent: Agent, held: Sequence[Held]) -> None:
    """After an agent has connected anew, have everything sent again that it was given and does not hold."""
    given = Assignment.objects.filter(agent=agent, status=AssignmentStatus.LEASED)
    given.exclude(pk__in=[pk for pk, _fence in held]).update(delivered_at=None)


def note_progress(agent: Agent, held: Held, *, share: float | None, note: str) -> bool:
    """Keep how far an agent says that it is; False when the assignment is not its own any more."""
    said = {"share": share, "note": note.replace("\x00", "")[:200]}
    return bool(_held_by(agent, held).update(progress=said, lease_until=_lease_end()))


def give_back(agent: Agent, held: Held) -> bool:
    """Put an assignment back that an agent does not want; others get it first. False: it is not its own any more."""
    with transaction.atomic():
        found = _held_by(agent, held).select_for_update().first()
        if found is None:
            return False
        refused_by = [*found.refused_by, str(agent.pk)]
        _put_back(found, refused_by=refused_by)
    live.tell_workers({"assignments": str(found.team_id)})
    return True


def end_assignment(
    agent: Agent,
    held: Held,
    *,
    output: Any = None,
    error: Mapping[str, Any] | None = None,
    usage: Mapping[str, Any] | None = None,
) -> bool:
    """Record how an assignment has ended, and let its node go on. Of two ends the first counts, also when told twice.

    `error` is `{message, transient}`. False when the assignment is not the agent's own any more: its result is refused.
    """
    try:
        output = plain_output(output)
    except NodeFailure as failure:
        output, error = None, {"message": failure.message, "transient": False}
    ended = {
        "status": AssignmentStatus.FAILED if error is not None else AssignmentStatus.DONE,
        "output": output,
        "error": None if error is None else _error(error),
        "usage": dict(usage or {}),
    }
    found = Assignment.objects.filter(pk=held[0], agent=agent).first()
    if found is None:
        return False
    if _end(found, held[1], ended):
        _note_performance(agent, found, is_done=error is None)
        return True
    return Assignment.objects.filter(
        pk=held[0], agent=agent, fence=held[1], status__in=[AssignmentStatus.DONE, AssignmentStatus.FAILED]
    ).exists()


def take_from_lost_agents() -> int:
    """Queue again what agents hold whose lease has run out; after several losses it fails. Returns how many."""
    lost = Assignment.objects.filter(status=AssignmentStatus.LEASED, lease_until__lt=timezone.now())
    count = 0
    for found in lost.order_by("lease_until")[:BATCH]:
        if found.losses + 1 >= MOST_LOSSES:
            message = f"{found.losses + 1} agents were lost while they worked on this."
            error = {"code": AgentLost.code, "message": message, "transient": False}
            count += _end(found, found.fence, {"status": AssignmentStatus.FAILED, "error": error})
        else:
            count += _take_back(found)
    return count


def end_overdue() -> int:
    """Fail the assignments that agents have held for longer than their nodes allow."""
    late = Assignment.objects.filter(status=AssignmentStatus.LEASED, deadline_at__lt=timezone.now())
    count = 0
    for found in late.order_by("deadline_at")[:BATCH]:
        error = TimeLimit(f"The agent did not finish within {found.timeout_seconds:g} s.").as_json()
        count += _end(found, found.fence, {"status": AssignmentStatus.FAILED, "error": error})
    return count


def recount_slots() -> None:
    """Bring the number of assignments that each agent holds to what the rows say."""
    held: dict[Any, int] = {}
    for agent in Assignment.objects.filter(status=AssignmentStatus.LEASED).values_list("agent_id", flat=True):
        held[agent] = held.get(agent, 0) + 1
    for one in Presence.objects.filter(Q(running__gt=0) | Q(agent_id__in=list(held))).only(
        "agent_id", "running"
    ):
        if one.running != held.get(one.agent_id, 0):
            same = Presence.objects.filter(agent_id=one.agent_id, running=one.running)
            same.update(running=held.get(one.agent_id, 0))


def can_anybody(assignment: Assignment) -> bool:
    """Say whether some enabled agent could do an assignment, if it were there and free."""
    return is_anybody_able(assignment.team_id, assignment.requires, assignment.wanted)


def _choice_for(found: Assignment) -> Choice | None:
    ask = {
        "requires": found.requires,
        "slug": found.wanted,
        "strategy": found.strategy,
        "kinds": [AgentKind.REMOTE],
    }
    choice = choose_agent(found.team_id, **ask, without=found.refused_by)
    return choice or (choose_agent(found.team_id, **ask) if found.refused_by else None)


def _lease(found: Assignment, choice: Choice) -> bool:
    """Give an assignment to an agent if both are still free."""
    now = timezone.now()
    agent = UUID(choice.candidate.id)
    timeout = found.timeout_seconds
    told = choice.as_json()

    def change(states: States) -> None:
        row = next(iter(load_whole(states, [(str(found.run_id), found.path)])), None)
        if row is None or row.status != NodeStatus.WAITING or not row.waiting_for.startswith(WAITING_FOR):
            raise _Taken
        free = Presence.objects.filter(agent_id=agent, running__lt=F("slots"), is_draining=False)
        queued = Assignment.objects.filter(pk=found.pk, status=AssignmentStatus.QUEUED)
        is_free = free.update(running=F("running") + 1, given_at=now)
        if not is_free or not queued.update(
            status=AssignmentStatus.LEASED,
            agent_id=agent,
            agent_name=choice.candidate.slug,
            choice=told,
            fence=F("fence") + 1,
            leased_at=now,
            delivered_at=None,
            lease_until=_lease_end(),
            deadline_at=None if timeout is None else now + timedelta(seconds=timeout),
        ):
            raise _Taken
        row.waiting_for = f"{WAITING_FOR}:{choice.candidate.slug}"
        states[row.run_id].touch(row)
        states[row.run_id].event(EventType.NODE_ASSIGNED, row.path, attempt=found.attempt, **told)

    return _changed(found, change, is_advanced=False)


def _end(found: Assignment, fence: int, ended: Mapping[str, Any]) -> bool:
    """End an assignment if it is still held with this fence, and make its node ready to take that."""

    def change(states: States) -> None:
        same = Assignment.objects.filter(pk=found.pk, fence=fence, status=AssignmentStatus.LEASED)
        if not same.update(finished_at=timezone.now(), **ended):
            raise _Taken
        free_slots(found.agent_id)
        for row in load_whole(states, [(str(found.run_id), found.path)]):
            if row.status == NodeStatus.WAITING and row.waiting_for.startswith(WAITING_FOR):
                row.waiting_for = ""
                states[row.run_id].make_ready([row])

    is_ended = _changed(found, change, is_advanced=True)
    if is_ended:
        live.tell_workers({"assignments": str(found.team_id)})  # a slot is free
    return is_ended


def _take_back(found: Assignment) -> bool:
    """Queue an assignment again whose agent was lost."""

    def change(states: States) -> None:
        same = Assignment.objects.filter(pk=found.pk, fence=found.fence, status=AssignmentStatus.LEASED)
        if same.filter(lease_until__lt=timezone.now()).select_for_update().first() is None:
            raise _Taken
        _put_back(found, losses=F("losses") + 1)
        for row in load_whole(states, [(str(found.run_id), found.path)]):
            if row.status == NodeStatus.WAITING and row.waiting_for.startswith(WAITING_FOR):
                row.waiting_for = WAITING_FOR
                states[row.run_id].touch(row)
                lost = {"waiting_for": WAITING_FOR, "reason": "agent_lost", "agent": found.agent_name}
                states[row.run_id].event(EventType.NODE_WAITING, row.path, **lost)

    return _changed(found, change, is_advanced=False)


def _put_back(found: Assignment, **changes: Any) -> None:
    Assignment.objects.filter(pk=found.pk).update(
        status=AssignmentStatus.QUEUED,
        fence=F("fence") + 1,
        agent=None,
        lease_until=None,
        deadline_at=None,
        delivered_at=None,
        progress=None,
        **changes,
    )
    free_slots(found.agent_id)


def _changed(found: Assignment, change: Callable[[States], None], *, is_advanced: bool) -> bool:
    """Apply a change under the run's lock; False when it was too late for it."""
    try:
        with transaction.atomic():
            after = change_runs([str(found.run_id)], change)
    except _Taken:
        return False
    if is_advanced:
        after.tell()
    else:
        live.broadcast(after.frames)
    return True


def _note_performance(agent: Agent, found: Assignment, *, is_done: bool) -> None:
    """Take an ended assignment into the agent's exponentially weighted figures."""
    one = Presence.objects.filter(agent=agent).first()
    if one is None:
        return
    seconds = (timezone.now() - found.leased_at).total_seconds() if found.leased_at else 0.0
    before = seconds if one.latency_seconds is None else one.latency_seconds
    Presence.objects.filter(agent=agent).update(
        latency_seconds=before + WEIGHT * (seconds - before),
        success=one.success + WEIGHT * (float(is_done) - one.success),
        done=F("done") + int(is_done),
        failed=F("failed") + int(not is_done),
    )


def _held_by(agent: Agent, held: Held) -> Any:
    pk, fence = held
    return Assignment.objects.filter(pk=pk, agent=agent, fence=fence, status=AssignmentStatus.LEASED)


def _error(given: Mapping[str, Any]) -> dict[str, Any]:
    message = str(given.get("message") or "The agent gave no reason.").replace("\x00", "")
    return {"message": message[:MESSAGE_CHARACTERS], "transient": given.get("transient") is True}


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.ORCHESTRA_AGENT_LEASE_SECONDS)
