"""Which team a request is about: the one it names, the one it chose before, or the person's first."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from rest_framework.request import Request

from apps.accounts.models import ApiKey, Team, User
from orchestra.errors import NotPermitted

SESSION_KEY = "team"


class NoTeam(NotPermitted):
    """You are in no team yet; ask for an invitation or make a team."""

    code = "no_team"


def active_team(request: HttpRequest | Request) -> Team:
    """Return the team that `?team=<slug>`, `X-Team` or the session names; else the first the person joined.

    Raises Http404 for a named team the person is not in (as for one that does not exist), NoTeam without any.
    """
    team = team_of(request)
    if team is None:
        raise NoTeam()
    return team


def team_of(request: HttpRequest | Request) -> Team | None:
    """Return the active team as `active_team` does, or None for strangers and people without one."""
    plain = request._request if isinstance(request, Request) else request
    user = request.user
    if not isinstance(user, User):
        return None
    found: tuple[str, Team | None] | None = plain.__dict__.get("_active_team")
    if found is None or found[0] != str(user.pk):
        found = (str(user.pk), _find(plain, user))
        plain.__dict__["_active_team"] = found
    return found[1]


def choose_team(request: HttpRequest, slug: str) -> Team:
    """Remember a team in the session, for the pages that follow. Raises Http404 for a team of others."""
    if not isinstance(request.user, User):
        raise Http404
    team = _named(request.user, slug)
    request.session[SESSION_KEY] = team.slug
    request.__dict__.pop("_active_team", None)
    return team


def _find(request: HttpRequest, user: User) -> Team | None:
    named = request.GET.get("team") or request.headers.get("X-Team")
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey) and named in {None, "", key.team.slug}:
        return key.team
    if named:
        return _named(user, named)
    mine = Team.objects.filter(memberships__user=user, pk__in=list(user.roles))
    mine = mine.order_by("memberships__created_at")
    chosen = request.session.get(SESSION_KEY) if hasattr(request, "session") else None
    if chosen and (team := mine.filter(slug=chosen).first()):
        return team
    return mine.first()


def _named(user: User, slug: str) -> Team:
    team = Team.objects.filter(pk__in=list(user.roles), slug=slug).first()
    if team is None:
        raise Http404
    return team
