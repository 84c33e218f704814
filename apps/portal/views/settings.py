"""Settings of a person: profile, picture, password, sessions, API keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.accounts import actions
from apps.accounts.actions.people import PROFILE_FIELDS
from apps.accounts.models import ApiKey, User
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems, words
from apps.accounts.teams import active_team
from apps.portal.devices import device_of
from apps.portal.forms import ApiKeyForm, AvatarForm, ProfileForm
from orchestra.errors import InvalidInput, OrchestraError

DEEP_LINKS = {"ai": "connections:list", "security": "settings:security", "keys": "settings:keys"}


def tabs(current: str) -> list[dict[str, Any]]:
    """Return the tabs of the settings pages."""
    pages = [
        ("profile", _("Profile"), "user"),
        ("security", _("Security"), "shield"),
        ("keys", _("API keys"), "key"),
    ]
    return [
        {"label": label, "url": reverse(f"settings:{name}"), "icon": icon, "current": name == current}
        for name, label, icon in pages
    ]


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Name, address, language, time zone, theme; `?tab=` leads to the other pages, as old links do."""
    if (wanted := DEEP_LINKS.get(request.GET.get("tab", ""))) is not None:
        return redirect(wanted)
    user = person_of(request)
    form = ProfileForm.of(user, get_language() or "en", request.POST or None)
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in PROFILE_FIELDS}
        try:
            actions.update_profile(user=user, **changes)
        except InvalidInput as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("settings:profile")
    context = {"form": form, "avatar_form": AvatarForm(), "tab_items": tabs("profile")}
    return render(request, "portal/settings_profile.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def avatar(request: HttpRequest) -> HttpResponse:
    """Replace a person's picture, or remove it."""
    user = person_of(request)
    if "remove" in request.POST:
        actions.remove_avatar(user=user)
        messages.success(request, _("The picture is removed."))
        return redirect("settings:profile")
    upload = request.FILES.get("picture")
    if upload is None:
        messages.error(request, _("Choose a picture first."))
        return redirect("settings:profile")
    try:
        actions.set_avatar(user=user, upload=upload)
    except InvalidInput as error:
        messages.error(request, words(error))
    else:
        messages.success(request, _("Saved."))
    return redirect("settings:profile")


@sensitive_post_parameters()
@login_required
@never_cache
def security(request: HttpRequest) -> HttpResponse:
    """Change the password (which ends all other sessions), and see where one is logged in."""
    user = person_of(request)
    form_class = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    form = form_class(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        UserSession.objects.create_from_request(request)
        actions.end_other_sessions(user=user, current=request.session.session_key)
        messages.success(request, _("The password is changed. You are logged out everywhere else."))
        return redirect("settings:security")
    context = {
        "form": form,
        "sessions": _sessions(request, user),
        "factors": _second_factors(user),
        "tab_items": tabs("security"),
    }
    return render(request, "portal/settings_security.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    """End one session of one's own, or all but this one."""
    user = person_of(request)
    if "others" in request.POST:
        actions.end_other_sessions(user=user, current=request.session.session_key)
        messages.success(request, _("You are logged out everywhere else."))
        return redirect("settings:security")
    wanted = request.POST.get("session", "")
    session = get_object_or_404(UserSession, user=user, pk=int(wanted) if wanted.isdecimal() else 0)
    actions.end_session(session)
    messages.success(request, _("The session is ended."))
    return redirect("settings:security")


@login_required
@never_cache
def keys(request: HttpRequest) -> HttpResponse:
    """One's own API keys; a new one's text is on the page that makes it, and nowhere else."""
    user, team = person_of(request), active_team(request)
    form, secret = ApiKeyForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            _key, secret = actions.create_api_key(
                user=user, team=team, name=data["name"], scopes=data["scopes"], expires_at=form.expires_at()
            )
        except OrchestraError as error:
            add_problems(form, error)
        else:
            form = ApiKeyForm()
    mine = ApiKey.objects.filter(user=user, revoked_at=None).select_related("team")
    context = {"form": form, "secret": secret, "keys": mine, "team": team, "tab_items": tabs("keys")}
    return render(request, "portal/settings_keys.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def revoke_key(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """End one of one's own keys at once."""
    user = person_of(request)
    actions.revoke_api_key(key=get_object_or_404(ApiKey, user=user, pk=key_id), by=user)
    messages.success(request, _("The key is revoked."))
    return redirect("settings:keys")


def _second_factors(user: User) -> dict[str, Any]:
    """Return which second factors a person has, and how many recovery codes are left."""
    mine = list(Authenticator.objects.filter(user=user))
    codes = [one for one in mine if one.type == Authenticator.Type.RECOVERY_CODES]
    return {
        "has_app": any(one.type == Authenticator.Type.TOTP for one in mine),
        "passkeys": sum(one.type == Authenticator.Type.WEBAUTHN for one in mine),
        "codes": len(codes[0].wrap().get_unused_codes()) if codes else None,
    }


def _sessions(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    UserSession.objects.create_from_request(request)
    sessions = UserSession.objects.purge_and_list(user)
    sessions.sort(key=lambda session: session.last_seen_at, reverse=True)
    rows = [
        {
            "pk": session.pk,
            "device": device_of(session.user_agent),
            "ip": session.ip,
            "started_at": session.created_at,
            "is_current": session.session_key == request.session.session_key,
        }
        for session in sessions
    ]
    return sorted(rows, key=lambda row: not row["is_current"])
