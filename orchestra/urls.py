"""Every URL of the product, by surface."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("orchestra.api_urls")),
    path(settings.ADMIN_URL, admin.site.urls),
    path("", include("apps.accounts.urls")),
    path("", include("apps.agents.urls")),
    path("", include("apps.portal.urls")),
]

handler400 = "orchestra.api.bad_request"
handler403 = "orchestra.api.forbidden"
handler404 = "orchestra.api.not_found"
handler500 = "orchestra.api.server_error"
