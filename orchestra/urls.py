"""Every URL of the product, by surface."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from apps.chat import urls as chat
from apps.runs import urls as runs
from apps.tools import urls as tools
from apps.triggers import urls as triggers
from apps.triggers.api_hooks import HookView
from apps.usage import urls as usage
from apps.workflows import urls as workflows
from orchestra import health
from orchestra.flower import flower

urlpatterns = [
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("actuator/health", health.health),
    path("actuator/health/liveness", health.health),
    path("actuator/health/readiness", health.ready),
    path("metrics", health.metrics, name="metrics"),
    path("flower/", flower, name="flower"),
    path("flower/<path:path>", flower),
    path("api/v1/", include("orchestra.api_urls")),
    path(settings.ADMIN_URL, admin.site.urls),
    path("hooks/<str:public_id>", HookView.as_view(schema=None)),
    path("", include("apps.accounts.urls")),
    path("", include("apps.agents.urls")),
    path("workflows/", include((workflows.urlpatterns + runs.start_urls, "workflows"))),
    path("agents/", include((runs.agent_urls, "working"))),
    path("agents/", include((chat.agent_urls, "bench"))),
    path("inbox/", include((runs.inbox_urls, "inbox"))),
    path("runs/", include((runs.urlpatterns, "runs"))),
    path("tools/", include((tools.urlpatterns, "tools"))),
    path("chat/", include((chat.urlpatterns, "chat"))),
    path("triggers/", include((triggers.urlpatterns, "triggers"))),
    path("usage/", include((usage.urlpatterns, "usage"))),
    path("forms/", include((triggers.form_urls, "forms"))),
    path("", include("apps.portal.urls")),
]

handler400 = "orchestra.api.bad_request"
handler403 = "orchestra.api.forbidden"
handler404 = "orchestra.api.not_found"
handler500 = "orchestra.api.server_error"
