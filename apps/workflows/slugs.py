"""Short names for workflows: made from the name where its letters allow, numbered where they do not."""

from __future__ import annotations

from uuid import UUID

from apps.agents import slugs
from apps.workflows.models import Workflow

RESERVED = slugs.RESERVED | {"validate", "import"}
"""Words that stand at a workflow's place in URLs."""


def check_slug(text: str) -> None:
    """Check a workflow's short name that somebody chose. Raises InvalidInput."""
    slugs.check_slug(text, RESERVED)


def free_slug(team_id: UUID, name: str) -> str:
    """Return a short name for `name` that no workflow of the team has, archived ones included."""
    rows = Workflow.objects.filter(team_id=team_id)
    slug = slugs.free_slug(rows, name, "workflow")
    return slugs.free_slug(rows, f"{name} workflow", "workflow") if slug in RESERVED else slug
