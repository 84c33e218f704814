"""The team: who is in it, as what, and who is invited."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts import actions
from apps.accounts.models import Invitation, Membership, Role, Team
from apps.accounts.pages import person_of
from apps.accounts.problems import words
from apps.accounts.teams import active_team, choose_team
from apps.portal.forms import InvitationForm, RoleForm, TeamForm
from orchestra.errors import OrchestraError


@login_required
@never_cache
def members(request: HttpRequest) -> HttpResponse:
    """Show the team; its owners also see the invitations and the forms."""
    return _page(request, active_team(request))


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """Make a team of one's own, and go to it."""
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = actions.create_team(name=form.cleaned_data["name"], by=person_of(request))
        choose_team(request, team.slug)
        messages.success(request, _("The team is made. You are its owner."))
        return redirect("team:members")
    return render(request, "portal/team_create.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_POST
def rename(request: HttpRequest) -> HttpResponse:
    """Change the team's name."""
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _page(request, active_team(request), rename_form=form)
    actions.rename_team(team=active_team(request), name=form.cleaned_data["name"], by=person_of(request))
    messages.success(request, _("Saved."))
    return redirect("team:members")


@login_required
@require_POST
@never_cache
def invite_person(request: HttpRequest) -> HttpResponse:
    """Make an invitation; its link is on this answer, in the mail to an address, and nowhere else."""
    team, form = active_team(request), InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, team, invitation_form=form)
    data = form.cleaned_data
    invitation, path = actions.invite(
        team=team, role=data["role"], email=data["email"], by=person_of(request)
    )
    link = request.build_absolute_uri(path)
    is_mailed = actions.send_invitation(invitation=invitation, url=link)
    return _page(request, team, link=link, mailed_to=invitation.email if is_mailed else "")


@login_required
@require_POST
def withdraw(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    invitation = get_object_or_404(Invitation, team=active_team(request), pk=invitation_id)
    actions.withdraw_invitation(invitation=invitation, by=person_of(request))
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("team:members")


@login_required
@require_POST
def set_role(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Give a member another role."""
    membership = _membership(request, user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    try:
        actions.change_role(membership=membership, role=form.cleaned_data["role"], by=person_of(request))
    except OrchestraError as error:
        messages.error(request, words(error))
    else:
        messages.success(request, _("Saved."))
    return redirect("team:members")


@login_required
@require_POST
def remove(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Take a member out of the team, or leave it."""
    user, membership = person_of(request), _membership(request, user_id)
    try:
        actions.remove_member(membership=membership, by=user)
    except OrchestraError as error:
        messages.error(request, words(error))
        return redirect("team:members")
    if user_id == user.pk:
        messages.success(request, _("You have left the team."))
        return redirect("portal:home")
    messages.success(request, _("The member is removed."))
    return redirect("team:members")


def _membership(request: HttpRequest, user_id: UUID) -> Membership:
    return get_object_or_404(Membership, team=active_team(request), user_id=user_id)


def _page(
    request: HttpRequest,
    team: Team,
    *,
    invitation_form: InvitationForm | None = None,
    rename_form: TeamForm | None = None,
    link: str = "",
    mailed_to: str = "",
) -> HttpResponse:
    is_owner = person_of(request).can(Role.OWNER, team.pk)
    open_ones = Invitation.objects.filter(team=team, accepted_at=None, expires_at__gt=timezone.now())
    context = {
        "team": team,
        "is_owner": is_owner,
        "roles": Role.choices,
        "memberships": Membership.objects.filter(team=team).select_related("user").order_by("created_at"),
        "invitations": open_ones.select_related("created_by").order_by("-created_at") if is_owner else [],
        "invitation_form": invitation_form or InvitationForm(),
        "rename_form": rename_form or TeamForm(initial={"name": team.name}),
        "link": link,
        "mailed_to": mailed_to,
    }
    has_errors = bool((invitation_form and invitation_form.errors) or (rename_form and rename_form.errors))
    return render(request, "portal/team.html", context, status=422 if has_errors else 200)
