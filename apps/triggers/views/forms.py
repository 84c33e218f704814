"""The form that starts a run: for the team, or for everybody who has its address."""

from __future__ import annotations

import re
import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.models import Role, User
from apps.runs.forms import StartForm
from apps.triggers import actions
from apps.triggers.actions.firing import Cause
from apps.triggers.models import Firing, FiringStatus, Kind, Trigger
from orchestra.api_limits import is_within_rate

PER_ADDRESS, PER_FORM = "12/min", "300/min"
KEY = re.compile(r"[0-9a-f]{32}")


@require_http_methods(["GET", "POST"])
def fill_in(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show the form; POST starts a run with what was filled in, once for each form that was shown."""
    trigger = _find(public_id)
    if not trigger.settings["is_public"]:
        if not request.user.is_authenticated:
            return redirect(f"{reverse('account_login')}?next={request.path}")
        if not (isinstance(request.user, User) and request.user.can(Role.OPERATOR, trigger.team_id)):
            raise Http404
    version = trigger.workflow.published
    schema = version.definition.get("inputs") if version else None
    if request.method == "GET":
        return _page(request, trigger, form_for(trigger, schema))
    form = form_for(trigger, schema, request)
    if not _may_send(request, trigger):
        form.add_error(None, _("Too many forms were sent; wait a minute and try again."))
        return _page(request, trigger, form, status=429)
    if not form.is_valid():
        return _page(request, trigger, form, status=422)
    key = request.POST.get("key", "")
    cause = Cause(key=f"form:{key}" if KEY.fullmatch(key) else f"form:{uuid.uuid4().hex}", typed=form.input)
    firing = actions.fire(trigger.pk, cause)
    if firing.status == FiringStatus.REFUSED:
        form.add_error(None, firing.detail)
        return _page(request, trigger, form, status=422)
    return _thanks(request, trigger, firing)


def form_for(trigger: Trigger, schema: object, request: HttpRequest | None = None) -> StartForm:
    """Return the start form of the workflow without what concerns the run, and without the trigger's constants."""
    form = StartForm(schema, request.POST, request.FILES) if request else StartForm(schema)
    constants = trigger.input if isinstance(trigger.input, dict) else {}
    form.leave_out("priority", "tags", inputs=constants)
    return form


def _find(public_id: str) -> Trigger:
    rows = Trigger.objects.filter(public_id=public_id, kind=Kind.FORM, is_enabled=True)
    found: Trigger | None = rows.select_related("workflow__published", "team").first()
    if found is None:
        raise Http404
    return found


def _may_send(request: HttpRequest, trigger: Trigger) -> bool:
    return is_within_rate(request, f"form:{trigger.pk}", PER_ADDRESS, PER_FORM)


def _page(request: HttpRequest, trigger: Trigger, form: StartForm, status: int = 200) -> HttpResponse:
    key = request.POST.get("key", "") or uuid.uuid4().hex
    context = {"trigger": trigger, "form": form, "key": key, "heading": _heading(trigger)}
    return render(request, "triggers/fill_in.html", context, status=status)


def _heading(trigger: Trigger) -> str:
    return str(trigger.settings["title"] or trigger.workflow.name)


def _thanks(request: HttpRequest, trigger: Trigger, firing: Firing) -> HttpResponse:
    may_see = isinstance(request.user, User) and request.user.role_in(trigger.team_id) is not None
    if may_see and firing.run is not None:
        return redirect("runs:detail", firing.run.pk)
    return render(request, "triggers/thanks.html", {"heading": _heading(trigger), "firing": firing})
