"""Pages about tools: list, import, one tool with its policy and a try, one server."""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems, words
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.tools import actions
from apps.tools.forms import ImportForm, ToolForm, TryForm, WorkflowToolForm
from apps.tools.models import ToolKind, ToolRow, ToolServer
from apps.tools.registry import installed, tool_of
from apps.tools.views.shown import form_page
from orchestra.errors import OrchestraError

SHOWN_USES = 20


@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Show the servers with their tools, the workflows that are tools, and the installation's functions."""
    user, team = person_of(request), active_team(request)
    tools = ToolRow.objects.visible_to(user).filter(team=team)
    servers = ToolServer.objects.visible_to(user).filter(team=team)
    context = {
        "servers": servers.prefetch_related(Prefetch("tools", tools.defer("schema", "spec"))),
        "workflows": tools.filter(server=None),
        "functions": [tool_of(function) for function in installed().values()],
        "can_edit": user.can(Role.EDITOR, team.pk),
    }
    return render(request, "tools/list.html", context)


@sensitive_post_parameters("secret")
@login_required
def import_openapi(request: HttpRequest) -> HttpResponse:
    """Make tools of an OpenAPI document."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    form = ImportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            server = actions.import_openapi(team=team, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("%(count)s tools are made.") % {"count": server.tools.count()})
            return redirect("tools:server", server.slug)
    return form_page(request, form, "tools/import.html")


@login_required
def add_workflow(request: HttpRequest) -> HttpResponse:
    """Make a tool of a workflow."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    form = WorkflowToolForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            tool = actions.create_workflow_tool(team=team, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("The tool is made."))
            return redirect("tools:tool", tool.name)
    return form_page(request, form, "tools/workflow.html")


@login_required
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """Show one tool: what models are told of it, its policy, its last calls, and a form to try it."""
    user, tool = person_of(request), _tool(request, name)
    can_edit = user.can(Role.EDITOR, tool.team_id)
    form = ToolForm(request.POST or None, tool=tool)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_tool(tool=tool, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("tools:tool", tool.name)
    return _detail(request, tool, can_edit, form=form)


@login_required
@require_POST
def try_tool(request: HttpRequest, name: str) -> HttpResponse:
    """Call a tool once with the arguments that were entered, and show what it answers."""
    user, tool = person_of(request), _tool(request, name)
    form = TryForm(request.POST)
    if not form.is_valid():
        return _detail(request, tool, True, attempt=form)
    given = form.cleaned_data["arguments"] or {}
    try:
        result = actions.test_tool(team=tool.team, name=tool.name, arguments=given, by=user)
    except OrchestraError as error:
        messages.error(request, words(error))
        return redirect("tools:tool", tool.name)
    return _detail(request, tool, True, attempt=form, result=result)


@login_required
@require_POST
def accept(request: HttpRequest, name: str) -> HttpResponse:
    """Take over what the server offers now."""
    tool = _tool(request, name)
    try:
        actions.accept_tool(tool=tool, by=person_of(request))
    except OrchestraError as error:
        messages.error(request, words(error))
    else:
        messages.success(request, _("The change is accepted; a person is asked about its calls."))
    return redirect("tools:tool", tool.name)


@login_required
@require_POST
def delete(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a tool."""
    actions.delete_tool(tool=_tool(request, name), by=person_of(request))
    messages.success(request, _("The tool is deleted."))
    return redirect("tools:list")


def _tool(request: HttpRequest, name: str) -> ToolRow:
    mine = ToolRow.objects.visible_to(person_of(request)).select_related("team", "server")
    found: ToolRow = get_object_or_404(mine, team=active_team(request), name=name)
    return found


def _detail(
    request: HttpRequest,
    tool: ToolRow,
    can_edit: bool,
    *,
    form: ToolForm | None = None,
    attempt: TryForm | None = None,
    result: actions.ToolTest | None = None,
) -> HttpResponse:
    uses = tool.server.uses.filter(tool=tool.name)[:SHOWN_USES] if tool.server else ()
    context = {
        "tool": tool,
        "schema": _pretty(tool.schema),
        "change": _change(tool),
        "form": form or ToolForm(tool=tool),
        "try_form": attempt or TryForm(),
        "result": result,
        "result_text": _pretty(result.result) if result else "",
        "uses": uses,
        "can_edit": can_edit,
        "can_try": can_edit and tool.kind != ToolKind.WORKFLOW,
    }
    has_errors = bool((form and form.errors) or (attempt and attempt.errors))
    return render(request, "tools/tool.html", context, status=422 if has_errors else 200)


def _change(tool: ToolRow) -> str:
    """Return, as a unified difference, what the server says now against what was accepted."""
    if not tool.offered:
        return ""
    shown = ("title", "description", "schema")
    before = _pretty({name: getattr(tool, name) for name in shown})
    after = _pretty({name: tool.offered[name] for name in shown})
    return "\n".join(
        unified_diff(before.splitlines(), after.splitlines(), _("accepted"), _("now"), lineterm="")
    )


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
