"""The API described: OpenAPI 3.1, and a page for it that loads nothing from outside."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library is untyped
    """How the document describes our tokens."""

    target_class = "apps.accounts.authentication.TokenAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key or an access token."}


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, as JSON unless YAML is asked for; made once per process and language."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]
    made: dict[str, Any] = {}

    def _get_schema_response(self, request: Request) -> Response:
        language = get_language() or ""
        if language not in self.made:
            generator: Any = self.generator_class(
                urlconf=self.urlconf, api_version=None, patterns=self.patterns
            )
            self.made[language] = generator.get_schema(request=request, public=True)
        return Response(self.made[language])


class DocsView(SpectacularSwaggerSplitView):
    """The document as a page; its script and style come as files, so the strict CSP holds."""

    template_name = "api/docs.html"
