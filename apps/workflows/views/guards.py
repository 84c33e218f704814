"""What every page of workflows and runs asks first: who is there, and what they may see and do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from apps.accounts.models import Role, Team, User
from apps.accounts.teams import active_team
from apps.workflows.models import Workflow
from orchestra.errors import NotPermitted

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def signed_in(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Send strangers to the login, and show people without the right role the page that says so."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotPermitted as error:
            raise PermissionDenied(error.message) from error

    return login_required(guarded)


def person(request: HttpRequest) -> User:
    """Return the logged-in user of a request that `signed_in` let through."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def find_workflow(request: HttpRequest, slug: str) -> Workflow:
    """Return the workflow of this name in the active team, else in another of theirs. Raises Http404."""
    found = Workflow.objects.visible_to(person(request)).filter(slug=slug)
    found = found.select_related("team", "published")
    by_team: dict[UUID, Workflow] = {workflow.team_id: workflow for workflow in found}
    if not by_team:
        raise Http404
    return by_team.get(active_team(request).pk) or next(iter(by_team.values()))


def rights(user: User, team: Team) -> dict[str, Any]:
    """Return what templates ask before they show a button."""
    return {"can_run": user.can(Role.OPERATOR, team.pk), "can_edit": user.can(Role.EDITOR, team.pk)}
