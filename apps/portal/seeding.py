"""What a new installation begins with: a team, its people, the simulated model, agents, the sample workflows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.accounts.actions import create_team, ensure_operator
from apps.accounts.models import Membership, Role, Team, User
from apps.agents.actions import create_agent, create_connection
from apps.agents.models import Agent, Connection, Dialect
from apps.triggers.actions import create_trigger
from apps.triggers.models import Kind, Trigger
from apps.workflows.actions import create_workflow, ensure_published
from apps.workflows.models import Workflow

TEAM = "Demo"
MEMBERS = {"editor": Role.EDITOR, "runner": Role.OPERATOR, "viewer": Role.VIEWER}
AGENTS = {
    "writer": (
        "Writer",
        "You write clearly and briefly. You keep names, places and numbers, and add nothing.",
    ),
    "critic": ("Critic", "You judge texts fairly: what is missing, what is wrong, what could be shorter."),
}


@dataclass
class Seeded:
    """What `seed` found and made; `passwords` are those of people who were made just now."""

    team: Team
    operator: User
    made: list[str] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)
    workflows: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "team": self.team.slug,
            "operator": self.operator.username,
            "made": self.made,
            "passwords": self.passwords,
            "workflows": self.workflows,
        }


@transaction.atomic
def seed(samples: Path | None = None) -> Seeded:
    """Make what is missing; a second time makes nothing. `samples` is the folder of `*.yaml` definitions."""
    operator = ensure_operator()
    team = Team.objects.filter(memberships__user=operator, name=TEAM).first()
    made = [] if team else [f"team {TEAM}"]
    seeded = Seeded(team=team or create_team(name=TEAM, by=operator), operator=operator, made=made)
    _people(seeded)
    _models(seeded)
    for path in sorted((samples or settings.BASE_DIR / "samples").glob("*.yaml")):
        _workflow(seeded, path)
    _trigger(seeded)
    return seeded


def _people(seeded: Seeded) -> None:
    for username, role in MEMBERS.items():
        if User.objects.filter(username__iexact=username).exists():
            continue
        password = secrets.token_urlsafe(12)
        user = User.objects.create_user(username, password=password, display_name=username.capitalize())
        Membership.objects.create(user=user, team=seeded.team, role=role)
        seeded.passwords[username] = password
        seeded.made.append(f"person {username} ({role})")


def _models(seeded: Seeded) -> None:
    team, by = seeded.team, seeded.operator
    connection = Connection.objects.filter(team=team, dialect=Dialect.SIMULATED).first()
    if connection is None:
        connection = create_connection(
            team=team, name="Simulated model", slug="simulated", dialect=Dialect.SIMULATED, by=by
        )
        seeded.made.append("connection simulated")
    for slug, (name, instructions) in AGENTS.items():
        if not Agent.objects.filter(team=team, slug=slug).exists():
            create_agent(
                team=team, name=name, slug=slug, instructions=instructions, connection=connection, by=by
            )
            seeded.made.append(f"agent {slug}")


def _workflow(seeded: Seeded, path: Path) -> None:
    """Make and publish a sample under the name of its file, unless the team has one (archived ones count)."""
    seeded.workflows.append(path.stem)
    workflow = Workflow.objects.filter(team=seeded.team, slug=path.stem).first()
    if workflow is None:
        text = path.read_text(encoding="utf-8")
        workflow = create_workflow(
            team=seeded.team, slug=path.stem, text=text, tags=["sample"], by=seeded.operator
        )
        seeded.made.append(f"workflow {path.stem}")
    if workflow.archived_at is None:
        ensure_published(workflow=workflow, by=seeded.operator)


def _trigger(seeded: Seeded) -> None:
    """Make a form for the team that starts a sample, unless the team has a trigger (a deleted one comes back)."""
    workflow = Workflow.objects.filter(team=seeded.team, archived_at=None, published__isnull=False).first()
    if workflow is None or Trigger.objects.filter(team=seeded.team).exists():
        return
    create_trigger(
        team=seeded.team,
        workflow=workflow,
        name="Ask for a run",
        kind=Kind.FORM,
        settings={"title": workflow.name, "text": workflow.description},
        by=seeded.operator,
    )
    seeded.made.append("trigger Ask for a run")
