"""Every page of the frame, for the tests that visit them all."""

from __future__ import annotations

PAGES = {
    "portal:home": "/",
    "portal:live": "/home/live/",
    "settings:profile": "/settings/",
    "settings:security": "/settings/security/",
    "settings:keys": "/settings/keys/",
    "team:members": "/team/",
    "team:create": "/team/new/",
    "inbox:list": "/inbox/",
    "agents:list": "/agents/",
    "agents:create": "/agents/new/",
    "agents:edit": "/agents/writer/",
    "connections:list": "/connections/",
    "connections:create": "/connections/new/",
    "connections:edit": "/connections/main-provider/",
}
MORE_PAGES = (
    "/connections/new/?dialect=openai",
    "/connections/new/?dialect=ollama",
    "/connections/new/?dialect=simulated",
    "/runs/",
    "/usage/",
    "/usage/budgets/",
    "/usage/budgets/new/",
    "/usage/?by=user&of=tokens&model=",
    "/chat/",
    "/search/",
    "/workflows/",
    "/workflows/new/",
    "/triggers/",
    "/triggers/new/",
    "/triggers/new/?kind=schedule",
    "/triggers/new/?kind=webhook",
    "/triggers/new/?kind=event",
    "/triggers/new/?kind=form",
)
OPEN_PAGES = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/",
    "/accounts/inactive/",
    "/accounts/confirm-email/",
    "/styleguide",
)
GONE_PAGES = ("/login/wrong/", "/join/wrong/")
POST_ONLY = {
    "portal:hide_checklist",
    "settings:avatar",
    "settings:end_session",
    "settings:revoke_key",
    "team:rename",
    "team:invite",
    "team:withdraw",
    "team:role",
    "team:remove",
    "inbox:decide",
    "agents:delete",
    "connections:test",
    "connections:close_breaker",
    "connections:default",
    "connections:delete",
}
