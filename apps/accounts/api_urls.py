"""URLs of the API around accounts, under `/api/v1/`."""

from __future__ import annotations

from django.urls import path

from apps.accounts import api, api_teams

urlpatterns = [
    path("auth/token", api.TokenView.as_view()),
    path("auth/token/refresh", api.RefreshView.as_view()),
    path("auth/logout", api.LogoutView.as_view()),
    path("me", api.MeView.as_view()),
    path("me/preferences", api.PreferencesView.as_view()),
    path("me/avatar", api.AvatarView.as_view()),
    path("me/sessions", api.SessionsView.as_view()),
    path("me/sessions/<int:session_id>", api.SessionView.as_view()),
    path("tokens", api_teams.KeysView.as_view()),
    path("tokens/<uuid:key_id>", api_teams.KeyView.as_view()),
    path("teams", api_teams.TeamsView.as_view()),
    path("teams/<uuid:team_id>", api_teams.TeamView.as_view()),
    path("teams/<uuid:team_id>/members", api_teams.MembersView.as_view()),
    path("teams/<uuid:team_id>/members/<uuid:user_id>", api_teams.MemberView.as_view()),
    path("teams/<uuid:team_id>/invitations", api_teams.InvitationsView.as_view()),
    path("teams/<uuid:team_id>/invitations/<uuid:invitation_id>", api_teams.InvitationView.as_view()),
    path("invitations/accept", api_teams.AcceptView.as_view()),
]
