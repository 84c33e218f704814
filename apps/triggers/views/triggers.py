"""Pages about triggers: list, make, change, pause and resume, what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Role, User
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.triggers import actions, schedules
from apps.triggers.forms import TriggerForm
from apps.triggers.models import Kind, Trigger
from orchestra.errors import InvalidInput, OrchestraError, Problem

PREVIEWED = 5
HISTORY = 50
NEW_SECRET = "new_webhook_secret"  # noqa: S105  (the name of a place in the session)
KIND_ICONS = {Kind.SCHEDULE: "clock", Kind.WEBHOOK: "link", Kind.EVENT: "bolt", Kind.FORM: "list"}
KIND_WORDS = {
    Kind.SCHEDULE: gettext_lazy("At times that a cron expression names, in a time zone."),
    Kind.WEBHOOK: gettext_lazy("When another program posts to an address, signed with a secret."),
    Kind.EVENT: gettext_lazy("When a run of another workflow has ended."),
    Kind.FORM: gettext_lazy("When somebody fills in a form, from the team or from anywhere."),
}


@require_safe
@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Show the team's triggers."""
    user, team = person_of(request), active_team(request)
    rows = Trigger.objects.visible_to(user).filter(team=team).with_last_run()
    context = {
        "triggers": [
            {"row": row, "icon": KIND_ICONS[Kind(row.kind)]}
            for row in rows.select_related("workflow", "source")
        ],
        "can_edit": user.can(Role.EDITOR, team.pk),
    }
    return render(request, "triggers/list.html", context)


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """Ask for the kind first, then for what this kind needs."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    if kind not in Kind.values:
        kinds = [{"value": k, "label": k.label, "words": KIND_WORDS[k], "icon": KIND_ICONS[k]} for k in Kind]
        return render(request, "triggers/choose.html", {"kinds": kinds})
    form = TriggerForm(request.POST or None, kind=kind, team=team)
    if "time_zone" in form.fields:
        form.fields["time_zone"].initial = user.time_zone
    if request.method == "POST" and form.is_valid():
        try:
            trigger, secret = actions.create_trigger(team=team, kind=kind, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, at_fields(error))
        else:
            return _made(request, trigger, secret)
    return _form_page(request, form, None)


@login_required
def edit(request: HttpRequest, trigger_id: UUID) -> HttpResponse:
    """Change a trigger; from then on it acts for who changed it."""
    user, trigger = person_of(request), _trigger(request, trigger_id)
    require(user, trigger.team_id, Role.EDITOR)
    form = TriggerForm(request.POST or None, kind=trigger.kind, team=trigger.team, trigger=trigger)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_trigger(trigger=trigger, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, at_fields(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("triggers:edit", trigger.pk)
    return _form_page(request, form, trigger)


@require_safe
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """Say when a schedule that is being typed would be due; a fragment."""
    cron, zone = request.GET.get("cron", ""), request.GET.get("time_zone", "")
    return render(request, "triggers/preview.html", _upcoming(cron, zone))


@require_safe
@login_required
def history(request: HttpRequest, trigger_id: UUID) -> HttpResponse:
    """Show what a trigger did, newest first."""
    trigger = _trigger(request, trigger_id)
    number = request.GET.get("page", "1")
    page = max(1, int(number)) if number.isdecimal() and len(number) < 6 else 1
    rows = trigger.firings.select_related("run__workflow", "source_run__workflow")
    shown = list(rows[(page - 1) * HISTORY : page * HISTORY + 1])
    context = {
        "trigger": trigger,
        "firings": shown[:HISTORY],
        "previous": page - 1,
        "next": page + 1 if len(shown) > HISTORY else 0,
        "can_edit": person_of(request).can(Role.EDITOR, trigger.team_id),
    }
    return render(request, "triggers/history.html", context)


@login_required
@require_POST
def switch(request: HttpRequest, trigger_id: UUID) -> HttpResponse:
    """Pause a trigger, or let it go on."""
    trigger = _trigger(request, trigger_id)
    is_enabled = request.POST.get("enabled") == "1"
    actions.update_trigger(trigger=trigger, is_enabled=is_enabled, by=person_of(request))
    messages.success(request, _("The trigger goes on.") if is_enabled else _("The trigger is paused."))
    return redirect("triggers:list")


@login_required
@require_POST
def rotate(request: HttpRequest, trigger_id: UUID) -> HttpResponse:
    """Give a webhook a new secret, and show it once."""
    trigger = _trigger(request, trigger_id)
    secret = actions.rotate_secret(trigger=trigger, by=person_of(request))
    return _made(request, trigger, secret)


@login_required
@require_POST
def delete(request: HttpRequest, trigger_id: UUID) -> HttpResponse:
    """Delete a trigger; the runs that it started stay."""
    actions.delete_trigger(trigger=_trigger(request, trigger_id), by=person_of(request))
    messages.success(request, _("The trigger is deleted."))
    return redirect("triggers:list")


def at_fields(error: OrchestraError) -> OrchestraError:
    """Return an action's error with its problems at the fields of the form: `settings.cron` is `cron`."""
    if not error.problems:
        return error
    moved = [Problem(one.path.removeprefix("settings."), one.code, one.message) for one in error.problems]
    return InvalidInput(problems=moved)


def _made(request: HttpRequest, trigger: Trigger, secret: str) -> HttpResponse:
    if secret:  # shown by the next page, once
        request.session[NEW_SECRET] = {"trigger": str(trigger.pk), "secret": secret}
    else:
        messages.success(request, _("The trigger is made."))
    return redirect("triggers:edit", trigger.pk)


def _trigger(request: HttpRequest, trigger_id: UUID) -> Trigger:
    user: User = person_of(request)
    mine = Trigger.objects.visible_to(user).select_related("team", "workflow", "source", "owner")
    found: Trigger = get_object_or_404(mine, pk=trigger_id)
    return found


def _upcoming(cron: str, zone: str) -> dict[str, Any]:
    """Return the next five times, or what is wrong with the schedule."""
    now: datetime = timezone.now()
    try:
        schedules.check(cron, zone, now)
    except schedules.BadSchedule as error:
        return {"fault": str(error)}
    return {"times": schedules.upcoming(cron, zone, now, PREVIEWED), "zone": zone}


def _form_page(request: HttpRequest, form: TriggerForm, trigger: Trigger | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "trigger": trigger, "kind_label": Kind(form.kind).label}
    if form.kind == Kind.SCHEDULE:
        context |= _upcoming(form["cron"].value() or "", form["time_zone"].value() or "")
    if trigger is not None and trigger.path:
        context["address"] = request.build_absolute_uri(trigger.path)
        held = request.session.get(NEW_SECRET)
        if held and held["trigger"] == str(trigger.pk):
            context["secret"] = request.session.pop(NEW_SECRET)["secret"]
    return render(request, "triggers/form.html", context, status=422 if form.errors else 200)
