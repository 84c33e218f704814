"""Pages about connections: list, make, change, test, delete. A secret goes in and is never shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems, words
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.agents import actions
from apps.agents.forms import ConnectionForm, KeyForm
from apps.agents.models import Connection, Dialect
from apps.agents.providers import DEFAULT_BASE_URLS
from orchestra.errors import OrchestraError
from orchestra.llm.catalogue import known_models

DIALECT_WORDS = {
    Dialect.OPENAI: gettext_lazy(
        "Chat completions: OpenAI, and everything that speaks its dialect, such as vLLM."
    ),
    Dialect.RESPONSES: gettext_lazy("OpenAI's newer API, for models that are only offered there."),
    Dialect.GEMINI: gettext_lazy("Google's Gemini models."),
    Dialect.OLLAMA: gettext_lazy("Models on a machine of your own, in Ollama's own dialect."),
    Dialect.ANTHROPIC: gettext_lazy("Anthropic's messages."),
    Dialect.GROUP: gettext_lazy(
        "Several connections as one: calls are spread over them, or the nearest is taken."
    ),
    Dialect.SIMULATED: gettext_lazy("Answers from the text it is given, without a model, a key or a cost."),
}

CHANGES_SHOWN = 10
KNOWN_SHOWN = 200


@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Show the team's connections."""
    user, team = person_of(request), active_team(request)
    found = Connection.objects.visible_to(user).filter(team=team).select_related("breaker")
    found = found.annotate(agent_count=Count("agents"))
    context = {"connections": found, "can_edit": user.can(Role.EDITOR, team.pk)}
    return render(request, "connections/list.html", context)


@sensitive_post_parameters("secret")
@login_required
def create(request: HttpRequest) -> HttpResponse:
    """Ask for the dialect first, then for what this dialect needs."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    dialect = request.POST.get("dialect") or request.GET.get("dialect", "")
    if dialect not in Dialect.values:
        return render(request, "connections/choose.html", {"dialects": _dialects()})
    form = ConnectionForm(
        request.POST or None, initial={"dialect": dialect, "is_enabled": True, "options": {}}
    )
    if request.method == "POST" and form.is_valid():
        try:
            connection = actions.create_connection(team=team, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("The connection is made. Test it before you rely on it."))
            return redirect("connections:edit", connection.slug)
    return _form_page(request, form, dialect, None)


@sensitive_post_parameters("secret")
@login_required
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a connection; an empty secret keeps the stored one."""
    user, connection = person_of(request), _connection(request, slug)
    require(user, connection.team_id, Role.EDITOR)
    form = ConnectionForm(request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_connection(connection=connection, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("connections:edit", connection.slug)
    dialect = form["dialect"].value() if form.is_bound else connection.dialect
    return _form_page(request, form, dialect, connection)


@login_required
@require_POST
def test(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask the provider whether it answers; the result is a fragment for scripts and a notice without them."""
    connection = _connection(request, slug)
    result = actions.test_connection(connection=connection, by=person_of(request))
    if request.headers.get("HX-Request"):
        return render(request, "connections/test_result.html", {"result": result, "connection": connection})
    if result.is_ok:
        text = _("%(name)s answers; it offers %(count)s models.")
        messages.success(request, text % {"name": connection.name, "count": len(result.models)})
    else:
        messages.error(
            request, f"{connection.name}: {_(result.message)} {_(result.hint) if result.hint else ''}"
        )
    return redirect("connections:edit", connection.slug)


@login_required
@require_POST
def make_default(request: HttpRequest, slug: str) -> HttpResponse:
    """Let nodes that name no connection use this one."""
    actions.update_connection(connection=_connection(request, slug), is_default=True, by=person_of(request))
    messages.success(request, _("Saved."))
    return redirect("connections:list")


@login_required
@require_POST
def close_breaker(request: HttpRequest, slug: str) -> HttpResponse:
    """Let calls go to the provider again at once."""
    connection = _connection(request, slug)
    actions.close_breaker(connection=connection, by=person_of(request))
    messages.success(request, _("The circuit breaker is closed."))
    return redirect("connections:edit", connection.slug)


@sensitive_post_parameters("secret")
@login_required
@require_POST
def add_key(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a further key."""
    connection = _connection(request, slug)
    try:
        actions.add_key(
            connection=connection,
            name=request.POST.get("name", ""),
            secret=request.POST.get("secret", ""),
            weight=_weight(request.POST.get("weight", "")),
            by=person_of(request),
        )
    except OrchestraError as error:
        messages.error(request, words(error))
    else:
        messages.success(request, _("The key is added."))
    return redirect("connections:edit", connection.slug)


@login_required
@require_POST
def remove_key(request: HttpRequest, slug: str, key_id: UUID) -> HttpResponse:
    """Remove a further key."""
    connection = _connection(request, slug)
    actions.remove_key(key=get_object_or_404(connection.keys, pk=key_id), by=person_of(request))
    messages.success(request, _("The key is removed."))
    return redirect("connections:edit", connection.slug)


@login_required
@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete a connection that no agent uses."""
    connection = _connection(request, slug)
    try:
        actions.delete_connection(connection=connection, by=person_of(request))
    except OrchestraError as error:
        messages.error(request, words(error))
        return redirect("connections:edit", connection.slug)
    messages.success(request, _("The connection is deleted."))
    return redirect("connections:list")


def _connection(request: HttpRequest, slug: str) -> Connection:
    mine = Connection.objects.visible_to(person_of(request)).select_related("breaker")
    found: Connection = get_object_or_404(mine, team=active_team(request), slug=slug)
    return found


def _weight(text: str) -> float:
    """Return a weight as it was typed; 0, which is none, for what is not a number."""
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


def _dialects() -> list[dict[str, Any]]:
    return [{"value": d.value, "label": d.label, "words": DIALECT_WORDS[d]} for d in Dialect]


def _form_page(
    request: HttpRequest, form: ConnectionForm, dialect: str, connection: Connection | None
) -> HttpResponse:
    context = {
        "form": form,
        "connection": connection,
        "dialect_label": Dialect(dialect).label if dialect in Dialect.values else dialect,
        "default_url": DEFAULT_BASE_URLS.get(dialect, ""),
        "known_models": known_models(dialect)[:KNOWN_SHOWN],
        "is_simulated": dialect == Dialect.SIMULATED,
        "is_group": dialect == Dialect.GROUP,
        "has_address": dialect not in (Dialect.SIMULATED, Dialect.GROUP),
        "key_form": KeyForm(auto_id="key_%s"),
        "keys": connection.keys.all() if connection else (),
        "breaker_changes": connection.breaker_changes.all()[:CHANGES_SHOWN] if connection else (),
    }
    return render(request, "connections/form.html", context, status=422 if form.errors else 200)
