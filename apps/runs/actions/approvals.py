"""Deciding approvals: once, by those who were asked, under the run's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.runs.actions.journal import DECISION, write
from apps.runs.actions.outside import States, change_runs, load_whole
from apps.runs.actions.state import RunState
from apps.runs.models import Approval, ApprovalStatus, Vote
from apps.runs.rows import NodeRow
from orchestra.engine.inputs import complete_input
from orchestra.engine.nodes import approval as kind
from orchestra.engine.outcome import Done
from orchestra.engine.status import EventType, NodeStatus
from orchestra.errors import Conflict, InvalidInput, NotPermitted, Problem

COMMENT_CHARACTERS = 10_000


def decide_approval(
    *, approval: Approval, decision: str, by: User, comment: str = "", form: Any = None
) -> Approval:
    """Record what a person decides; the last answer that is needed ends the node. Return the approval as it is then.

    The first who rejects rejects; `quorum` people must approve. `form` is checked against the approval's schema
    when approving. Raises NotPermitted (not asked), Conflict (decided, expired, withdrawn, or answered by this
    person already), InvalidInput (decision, comment, form).
    """
    if not Approval.objects.for_decider(by).filter(pk=approval.pk).exists():
        raise NotPermitted("You are not among those who were asked to decide this.")
    run = str(approval.run_id)

    def decide(states: States) -> None:
        fresh = Approval.objects.select_for_update().get(pk=approval.pk)
        if fresh.status != ApprovalStatus.OPEN:
            raise Conflict(f"This has been decided already: {fresh.get_status_display()}.")
        answer = _checked(fresh, decision, comment, form)
        state = states[run]
        vote = _vote(fresh, decision, by, comment, answer, state)
        approvals = fresh.votes.filter(decision=ApprovalStatus.APPROVED).count()
        if decision == ApprovalStatus.APPROVED and approvals < fresh.quorum:
            return
        waiting = load_whole(states, [(run, fresh.path)])
        if not waiting or waiting[0].status != NodeStatus.WAITING:
            raise Conflict("The run no longer waits for this.")
        outcome = kind.on_decision(decision, by=by.username, form=vote.form, comment=vote.comment)
        _close(state, waiting[0], fresh, outcome, by)

    with transaction.atomic():
        after = change_runs([run], decide)
        transaction.on_commit(after.tell)
    approval.refresh_from_db()
    return approval


def expire_approval(state: RunState, row: NodeRow) -> None:
    """End a node whose approval nobody has decided in time."""
    found = Approval.objects.open().filter(run_id=state.row.id, path=row.path).first()
    settings = state.facts.plan.at(row.scope).nodes[row.node].settings
    outcome = kind.on_due(settings)
    if found is None:
        state.wake(row, outcome)
    else:
        _close(state, row, found, outcome, None)


def _close(state: RunState, row: NodeRow, found: Approval, outcome: Done, by: User | None) -> None:
    found.status = ApprovalStatus.EXPIRED if by is None else ApprovalStatus(outcome.output["decision"])
    found.decided_at, found.decided_by = state.log.now, by
    found.save(update_fields=["status", "decided_at", "decided_by"])
    state.event(
        EventType.APPROVAL_DECIDED,
        row.path,
        approval=str(found.pk),
        decision=outcome.output["decision"],
        by=by.username if by else None,
        is_expired=by is None,
    )
    if found.call is None:
        state.wake(row, outcome)
    else:
        _let_go_on(state, row, found.call, outcome)


def _let_go_on(state: RunState, row: NodeRow, call: Mapping[str, Any], outcome: Done) -> None:
    """Note what was decided about a call, and let its node go on where it stopped."""
    said = {"decision": outcome.output["decision"], "digest": call["digest"]}
    said |= {"by": outcome.output["by"], "comment": outcome.output["comment"]}
    write(state.row.id, row.path, call["round"], f"{DECISION}{call['key']}", said)
    row.waiting_for, row.due_at = "", None
    state.make_ready([row])


def _vote(
    found: Approval, decision: str, by: User, comment: str, form: Mapping[str, Any] | None, state: RunState
) -> Vote:
    if found.votes.filter(by=by).exists():
        raise Conflict("You have answered this already; it waits for others.")
    return Vote.objects.create(
        approval=found, by=by, decision=decision, comment=comment, form=form, at=state.log.now
    )


def _checked(found: Approval, decision: str, comment: str, form: Any) -> Mapping[str, Any] | None:
    """Return the form as it is kept, with its defaults. Raises InvalidInput with every problem's path."""
    problems = []
    if decision not in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED):
        problems.append(Problem("decision", "unknown", "Decide “approved” or “rejected”."))
    if len(comment) > COMMENT_CHARACTERS:
        message = f"A comment takes at most {COMMENT_CHARACTERS:,} characters."
        problems.append(Problem("comment", "too_long", message))
    if form is not None and found.form is None:
        problems.append(Problem("form", "unknown_field", "This asks for no form."))
    answer = None
    if found.form is not None and (decision == ApprovalStatus.APPROVED or form is not None):
        try:
            answer = complete_input(found.form, {} if form is None else form)
        except InvalidInput as error:
            problems += [replace(p, path=f"form.{p.path}" if p.path else "form") for p in error.problems]
    if problems:
        raise InvalidInput(problems=problems)
    return answer
