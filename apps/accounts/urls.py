"""URLs of accounts: allauth's pages, one-time links, invitations, switches and pictures."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from apps.accounts import views

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", RedirectView.as_view(pattern_name="settings:security")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("login/<str:token>/", views.login_link, name="login_link"),
    path("join/<str:token>/", views.join, name="join"),
    path("preferences/", views.preferences, name="preferences"),
    path("avatars/<uuid:user_id>/", views.avatar, name="avatar"),
]
