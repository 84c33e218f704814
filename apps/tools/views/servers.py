"""Pages about tool servers: connect an MCP server, change, test, delete. A secret goes in and is never shown."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.tools import actions
from apps.tools.forms import ServerForm
from apps.tools.models import ServerKind, ToolServer
from apps.tools.views.shown import form_page
from orchestra.errors import OrchestraError


@sensitive_post_parameters("secret")
@login_required
def connect(request: HttpRequest) -> HttpResponse:
    """Connect an MCP server and read its tools."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    form = ServerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.arguments()
        kind = ServerKind.STDIO if given.get("program") else ServerKind.MCP
        try:
            made = actions.create_server(team=team, kind=kind, by=user, **given)
        except OrchestraError as error:
            add_problems(form, error)
        else:
            _tell(request, made)
            return redirect("tools:server", made.slug)
    return form_page(request, form, "tools/connect.html")


@sensitive_post_parameters("secret")
@login_required
def server(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a server of tools; an empty secret keeps the stored one."""
    user, found = person_of(request), _server(request, slug)
    require(user, found.team_id, Role.EDITOR)
    form = ServerForm(request.POST or None, server=found)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_server(server=found, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("tools:server", found.slug)
    return form_page(request, form, "tools/server.html", server=found, tools=found.tools.all())


@login_required
@require_POST
def delete_server(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete a server and its tools."""
    actions.delete_server(server=_server(request, slug), by=person_of(request))
    messages.success(request, _("The server and its tools are deleted."))
    return redirect("tools:list")


@login_required
@require_POST
def test(request: HttpRequest, slug: str) -> HttpResponse:
    """Read the tools of an MCP server anew."""
    found = _server(request, slug)
    _tell(request, found)
    return redirect("tools:server", found.slug)


def _tell(request: HttpRequest, server: ToolServer) -> None:
    """Test a server and say how it went."""
    result = actions.test_server(server=server, by=person_of(request))
    if not result.is_ok:
        hint = _(result.hint) if result.hint else ""
        messages.error(request, f"{server.name}: {_(result.message)} {hint}")
        return
    count = len(result.tools)
    text = ngettext("It offers %(count)s tool.", "It offers %(count)s tools.", count) % {"count": count}
    messages.success(request, f"{server.name}: {text}")
    if result.changed:
        changed = _("Not what was accepted any more: %(names)s.") % {"names": ", ".join(result.changed)}
        messages.warning(request, changed)


def _server(request: HttpRequest, slug: str) -> ToolServer:
    mine = ToolServer.objects.visible_to(person_of(request)).select_related("team")
    found: ToolServer = get_object_or_404(mine, team=active_team(request), slug=slug)
    return found
