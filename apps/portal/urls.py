"""URLs of the portal."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.portal.views import home, search, settings, styleguide, team

settings_urls = (
    [
        path("", settings.profile, name="profile"),
        path("avatar/", settings.avatar, name="avatar"),
        path("security/", settings.security, name="security"),
        path("security/sessions/end/", settings.end_session, name="end_session"),
        path("keys/", settings.keys, name="keys"),
        path("keys/<uuid:key_id>/revoke/", settings.revoke_key, name="revoke_key"),
    ],
    "settings",
)
team_urls = (
    [
        path("", team.members, name="members"),
        path("new/", team.create, name="create"),
        path("rename/", team.rename, name="rename"),
        path("invite/", team.invite_person, name="invite"),
        path("invitations/<uuid:invitation_id>/withdraw/", team.withdraw, name="withdraw"),
        path("members/<uuid:user_id>/role/", team.set_role, name="role"),
        path("members/<uuid:user_id>/remove/", team.remove, name="remove"),
    ],
    "team",
)
portal_urls = (
    [
        path("", home.home, name="home"),
        path("home/live/", home.live_part, name="live"),
        path("home/checklist/hide/", home.hide_checklist, name="hide_checklist"),
    ],
    "portal",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(portal_urls)),
    path("settings/", include(settings_urls)),
    path("team/", include(team_urls)),
    path("search/", search.search, name="search"),
    path("styleguide", styleguide.styleguide, name="styleguide"),
]
