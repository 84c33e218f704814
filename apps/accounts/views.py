"""Pages around an account that are not allauth's own: one-time links, invitations, switches, pictures."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import actions
from apps.accounts.actions.links import can_use_login_link
from apps.accounts.actions.teams import AlreadyMember, InvitationOver
from apps.accounts.adapter import INVITATION
from apps.accounts.forms import PreferencesForm
from apps.accounts.models import User
from apps.accounts.teams import choose_team

YEAR = 365 * 24 * 3600
PICTURE_POLICY: dict[str, list[str]] = {"default-src": ["'none'"], "sandbox": []}


@never_cache
@require_http_methods(["GET", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """Log the holder of a one-time link in; opening it shows a button, because previews open links too."""
    if request.method == "GET":
        is_good = can_use_login_link(token)
        return render(
            request, "account/login_link.html", {"is_good": is_good}, status=200 if is_good else 410
        )
    user = actions.use_login_link(token)
    if user is None:
        return render(request, "account/login_link.html", {"is_good": False}, status=410)
    response: HttpResponse = perform_login(request, user, email_verification="none")
    return response


@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation, and accept it: at once for people with an account, for others at their sign-up."""
    invitation = actions.find_invitation(token)
    if invitation is None:
        return render(request, "account/join.html", {"invitation": None}, status=410)
    if request.method == "GET":
        login_url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': request.path})}"
        return render(request, "account/join.html", {"invitation": invitation, "login_url": login_url})
    if not isinstance(request.user, User):
        request.session[INVITATION] = token
        query = f"?{urlencode({'email': invitation.email})}" if invitation.email else ""
        return redirect(reverse("account_signup") + query)
    try:
        actions.accept_invitation(token=token, by=request.user)
    except AlreadyMember:
        messages.info(request, _("You are in this team already."))
    except InvitationOver:
        return render(request, "account/join.html", {"invitation": None}, status=410)
    else:
        messages.success(request, _("Welcome to %(team)s.") % {"team": invitation.team})
    choose_team(request, invitation.team.slug)
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Take a choice of language, theme or team from the top bar; the language works for strangers too."""
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    chosen = form.cleaned_data
    response = HttpResponseRedirect(_way_back(request, chosen["next"]))
    changes = {name: chosen[name] for name in ("language", "theme") if chosen[name]}
    if changes and isinstance(request.user, User):
        actions.update_profile(user=request.user, **changes)
    if chosen["team"]:
        choose_team(request, chosen["team"])
    for name, cookie in (("language", settings.LANGUAGE_COOKIE_NAME), ("theme", settings.THEME_COOKIE_NAME)):
        if chosen[name]:
            _remember(response, cookie, chosen[name])
    return response


@login_required
@require_GET
def avatar(request: HttpRequest, user_id: UUID) -> FileResponse:
    """Answer with the picture of oneself or of somebody in one of one's teams; 404 for everybody else's."""
    me = request.user
    if not isinstance(me, User):
        raise Http404
    owner = User.objects.filter(pk=user_id).exclude(avatar="").first()
    is_near = owner is not None and (
        owner.pk == me.pk or owner.memberships.filter(team_id__in=list(me.roles)).exists()
    )
    if owner is None or not is_near:
        raise Http404
    try:
        picture = owner.avatar.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(picture, content_type="image/webp", filename="avatar.webp")
    response["Cache-Control"] = "private, max-age=300"
    response.__dict__["_csp_replace"] = PICTURE_POLICY
    return response


def _remember(response: HttpResponse, cookie: str, value: str) -> None:
    response.set_cookie(
        cookie, value, max_age=YEAR, path="/", secure=settings.IS_SECURE, httponly=True, samesite="Lax"
    )


def _way_back(request: HttpRequest, wanted: str) -> str:
    """Return where a switch leads back to: the page it was on, if that is one of ours."""
    for url in (wanted, request.headers.get("Referer", "")):
        if url and url_has_allowed_host_and_scheme(
            url, {request.get_host()}, require_https=request.is_secure()
        ):
            return url
    return "/"
