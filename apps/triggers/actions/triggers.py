"""Making and changing triggers. A trigger acts for the person who saved it last, with that person's rights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import is_operating, require
from apps.agents import crypto
from apps.runs.models import PriorityLevel
from apps.triggers import schedules, signatures
from apps.triggers.checks import check_trigger, completed
from apps.triggers.mapping import WHOLE_BODY
from apps.triggers.models import Kind, Trigger
from apps.workflows.models import Workflow
from orchestra.errors import Conflict, InvalidInput, Problem, StaleRevision

ROTATION_OVERLAP = timedelta(hours=24)
"""How long signatures with the secret before are still taken."""
MOST_PER_TEAM = 500


@transaction.atomic
def create_trigger(
    *,
    team: Team,
    workflow: Workflow,
    name: str,
    kind: str,
    settings: Mapping[str, Any] | None = None,
    input: Any = None,
    source: Workflow | None = None,
    priority: int = PriorityLevel.NORMAL,
    is_enabled: bool = True,
    by: User,
) -> tuple[Trigger, str]:
    """Make a trigger; return it with a webhook's secret, which is never shown again ("" for other kinds).

    `source` is the workflow whose runs' ends it follows (events only; None: every workflow of the team).
    Raises NotPermitted, InvalidInput (every problem at once), Conflict (too many).
    """
    require(by, team.pk, Role.EDITOR)
    if Trigger.objects.filter(team=team).count() >= MOST_PER_TEAM:
        raise Conflict(_("A team has at most %(count)s triggers.") % {"count": MOST_PER_TEAM})
    now = timezone.now()
    trigger = Trigger(
        team=team,
        workflow=workflow,
        name=name.strip(),
        kind=kind,
        settings=completed(kind, settings or {}),
        input=_default_input(kind) if input is None else input,
        source=source,
        priority=priority,
        is_enabled=is_enabled,
        owner=by,
        enabled_at=now,
    )
    _check(trigger, now)
    secret = _put_new_secret(trigger) if kind == Kind.WEBHOOK else ""
    _plan(trigger, now)
    trigger.save(force_insert=True)
    return trigger, secret


@transaction.atomic
def update_trigger(
    *,
    trigger: Trigger,
    by: User,
    name: str | None = None,
    workflow: Workflow | None = None,
    settings: Mapping[str, Any] | None = None,
    input: Any = None,
    priority: int | None = None,
    is_enabled: bool | None = None,
    revision: int | None = None,
    **source: Workflow | None,
) -> Trigger:
    """Change a trigger; what is None stays, settings are merged; `source=None` means every workflow.

    Its next time is counted from now, so a paused schedule catches nothing up when it goes on.
    Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, trigger.team_id, Role.EDITOR)
    locked = Trigger.objects.select_for_update(of=("self",)).select_related("workflow", "source")
    trigger = locked.get(pk=trigger.pk)
    if revision is not None and trigger.revision != revision:
        raise StaleRevision
    now = timezone.now()
    was_enabled = trigger.is_enabled
    given = {"workflow": workflow, "input": input, "priority": priority, "is_enabled": is_enabled, **source}
    for field, value in given.items():
        if value is not None or field == "source":
            setattr(trigger, field, value)
    trigger.name = trigger.name if name is None else name.strip()
    trigger.settings = {**trigger.settings, **(settings or {})}
    _check(trigger, now)
    if trigger.is_enabled and not was_enabled:
        trigger.enabled_at, trigger.scanned_at = now, None
    if not is_operating(by):
        trigger.owner = by
    _plan(trigger, now)
    trigger.revision += 1
    trigger.save()
    return trigger


@transaction.atomic
def rotate_secret(*, trigger: Trigger, by: User) -> str:
    """Give a webhook a new secret and return it; the one before is taken for another day.

    Raises NotPermitted, Conflict (no webhook).
    """
    require(by, trigger.team_id, Role.EDITOR)
    trigger = Trigger.objects.select_for_update().get(pk=trigger.pk)
    if trigger.kind != Kind.WEBHOOK:
        raise Conflict(_("Only a webhook has a secret."))
    known = crypto.decrypt(trigger.secret, row=trigger.pk, field="secret")
    trigger.previous_secret = crypto.encrypt(known, row=trigger.pk, field="previous_secret")
    trigger.previous_until = timezone.now() + ROTATION_OVERLAP
    secret = _put_new_secret(trigger)
    trigger.revision += 1
    trigger.save()
    return secret


def delete_trigger(*, trigger: Trigger, by: User) -> None:
    """Delete a trigger with its history; the runs it started stay. Raises NotPermitted."""
    require(by, trigger.team_id, Role.EDITOR)
    trigger.delete()


def _default_input(kind: str) -> Any:
    return WHOLE_BODY if kind == Kind.WEBHOOK else {}


def _check(trigger: Trigger, now: datetime) -> None:
    check_trigger(
        name=trigger.name,
        kind=trigger.kind,
        settings=trigger.settings,
        mapping=trigger.input,
        priority=trigger.priority,
        now=now,
    )
    found = []
    for field in ("workflow", "source"):
        row: Workflow | None = getattr(trigger, field)
        if row is not None and row.team_id != trigger.team_id:
            found.append(Problem(field, "unknown", _("There is no such workflow.")))
    if trigger.kind != Kind.EVENT and trigger.source is not None:
        found.append(Problem("source", "invalid", _("Only the end of a run has a workflow it listens to.")))
    if trigger.source is not None and trigger.source == trigger.workflow:
        message = _("A workflow that starts itself would never end; choose another.")
        found.append(Problem("source", "loop", message))
    if found:
        raise InvalidInput(problems=found)


def _plan(trigger: Trigger, now: datetime) -> None:
    """Set when a schedule is due next; nothing for what is paused."""
    trigger.next_at = None
    if trigger.kind == Kind.SCHEDULE and trigger.is_enabled:
        given = trigger.settings
        trigger.next_at = schedules.following(given["cron"], given["time_zone"], now)


def _put_new_secret(trigger: Trigger) -> str:
    secret = signatures.new_secret()
    trigger.secret = crypto.encrypt(secret, row=trigger.pk, field="secret")
    return secret
