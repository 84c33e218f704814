"""Face of the admin: name, colours and order of the operators' pages, as the theme reads them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _link(title: Any, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Orchestra",
    "SITE_HEADER": "Orchestra",
    "SITE_SUBHEADER": _("Operators"),
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}
    ],
    "SITE_URL": "/",
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "apps.portal.dashboard.dashboard",
    "COLORS": {
        "primary": {
            "50": "#f0f9ff",
            "100": "#e0f2fe",
            "200": "#bae6fd",
            "300": "#7dd3fc",
            "400": "#38bdf8",
            "500": "#0ea5e9",
            "600": "#0284c7",
            "700": "#0369a1",
            "800": "#075985",
            "900": "#0c4a6e",
            "950": "#082f49",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Overview"),
                "items": [_link(_("Dashboard"), "dashboard", "index")],
            },
            {
                "title": _("People"),
                "separator": True,
                "items": [
                    _link(_("Users"), "person", "accounts_user_changelist"),
                    _link(_("Teams"), "groups", "accounts_team_changelist"),
                    _link(_("Invitations"), "mail", "accounts_invitation_changelist"),
                    _link(_("API keys"), "key", "accounts_apikey_changelist"),
                    _link(_("Sessions"), "devices", "usersessions_usersession_changelist"),
                ],
            },
            {
                "title": _("Work"),
                "separator": True,
                "items": [
                    _link(_("Workflows"), "account_tree", "workflows_workflow_changelist"),
                    _link(_("Runs"), "play_circle", "runs_run_changelist"),
                    _link(_("Node runs"), "adjust", "runs_noderun_changelist"),
                    _link(_("Agents"), "smart_toy", "agents_agent_changelist"),
                    _link(_("Connections"), "cable", "agents_connection_changelist"),
                ],
            },
            {
                "title": _("System"),
                "separator": True,
                "items": [
                    _link(_("Workers"), "memory", "runs_worker_changelist"),
                    _link(_("Events"), "list_alt", "runs_event_changelist"),
                    _link(_("Changes in the admin"), "history", "admin_logentry_changelist"),
                    {
                        "title": "Flower",
                        "icon": "local_florist",
                        "link": reverse_lazy("flower"),
                        "permission": lambda request: bool(getattr(settings, "ORCHESTRA_FLOWER_URL", "")),
                    },
                ],
            },
        ],
    },
}
