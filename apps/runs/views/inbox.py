"""The inbox: what runs ask people to decide."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.runs.actions import decide_approval
from apps.runs.forms import DecisionForm
from apps.runs.models import Approval, ApprovalStatus
from apps.runs.result import render_markdown
from apps.workflows.views.guards import person, signed_in
from orchestra.errors import Conflict, InvalidInput, NotPermitted

SHOWN = 50


@require_safe
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """What waits for this person, oldest first, and what was decided last."""
    return _page(request)


@require_POST
@signed_in
def decide(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Approve or reject; with the button `decision`."""
    found = Approval.objects.visible_to(person(request)).filter(pk=approval_id).first()
    if found is None:
        raise Http404
    form = DecisionForm(found.form, request.POST, prefix=str(found.pk))
    decision = request.POST.get("decision", "")
    is_approved = decision == ApprovalStatus.APPROVED
    if not form.is_valid() and is_approved:
        return _page(request, form, found)
    answer = form.input if is_approved and found.form is not None else None
    comment = str(form.cleaned_data.get("comment", ""))
    try:
        decide_approval(approval=found, decision=decision, by=person(request), comment=comment, form=answer)
    except InvalidInput as error:
        form.take_problems(error.problems, "form")
        return _page(request, form, found)
    except (Conflict, NotPermitted) as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, _("Approved.") if is_approved else _("Rejected."))
    return redirect("inbox:list")


def _page(
    request: HttpRequest, failed: DecisionForm | None = None, about: Approval | None = None
) -> HttpResponse:
    user = person(request)
    asked = _shown(Approval.objects.for_decider(user))
    waiting = list(asked.open().exclude(votes__by=user).order_by("id")[:SHOWN])
    entries = [
        {
            "approval": approval,
            "body": render_markdown(approval.body),
            "arguments": json.dumps(approval.call["arguments"], ensure_ascii=False, indent=2)
            if approval.call
            else "",
            "form": failed
            if about is not None and approval.pk == about.pk
            else DecisionForm(approval.form, prefix=str(approval.pk)),
            "is_visible": user.role_in(approval.team_id) is not None,
            "approved": sum(vote.decision == ApprovalStatus.APPROVED for vote in approval.votes.all()),
        }
        for approval in waiting
    ]
    decided = _shown(Approval.objects.visible_to(user)).exclude(status=ApprovalStatus.OPEN)
    context = {"entries": entries, "decided": decided.order_by("-decided_at")[:20]}
    return render(request, "runs/inbox.html", context, status=422 if failed else 200)


def _shown(found: Any) -> Any:
    rows: QuerySet[Approval] = found.select_related("run__workflow", "decided_by", "team")
    return rows.defer("run__input", "run__output").prefetch_related("votes")
