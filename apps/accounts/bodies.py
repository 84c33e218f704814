"""What the API asks of who sends a change: the right to make it first, then a body that makes sense."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from orchestra.api import StrictSerializer, checked


def editor_body(serializer: type[StrictSerializer], request: Request, team_id: UUID) -> dict[str, Any]:
    """Return the validated body of an editor. Raises NotPermitted before it looks at the body."""
    require(person_of(request), team_id, Role.EDITOR)
    return checked(serializer, request.data)
