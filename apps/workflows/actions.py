"""Every write to workflows and versions, called by the pages, the API, the admin and the commands alike."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.tools.registry import schemas_of
from apps.workflows.models import TRIAL, Workflow, WorkflowVersion
from apps.workflows.slugs import check_slug, free_slug
from orchestra.engine import definition as definitions
from orchestra.engine.codec import plan_to_json
from orchestra.engine.compiler import compile_definition
from orchestra.engine.plan import Plan
from orchestra.errors import Conflict, InvalidInput, InvalidWorkflow, Problem, StaleRevision
from orchestra.tools import functions

STARTER: Mapping[str, Any] = {
    "orchestra": 1,
    "inputs": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string", "title": "Text", "format": "textarea"}},
    },
    "nodes": {"answer": {"kind": "llm", "settings": {"prompt": "Summarize this:\n{{ inputs.text }}"}}},
    "output": {"text": "{{ nodes.answer.output.text }}"},
}
"""What a workflow that was made from nothing begins with."""

SLUG_RACES = 5
TRIAL_KEPT = timedelta(hours=1)
"""How long a tried draft stays that no run holds; a start that is under way needs it for a moment."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is stored: the definition, the text it was typed as, and what is wrong with it."""

    definition: Mapping[str, Any]
    text: str
    problems: tuple[Problem, ...]
    plan: Plan | None


@functools.cache
def function_schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return the argument schemas of every function of this installation, by name."""
    functions.load(["orchestra.tools.builtin", *settings.ORCHESTRA_FUNCTIONS])
    return functions.schemas()


def check(
    definition: Mapping[str, Any], *, team: UUID | None = None, unit_size: int | None = None
) -> tuple[list[Problem], Plan | None]:
    """Return every problem of a definition and, when there is none, its plan. Saves nothing, runs nothing.

    It is compiled with this installation's functions, the team's tools, and the installation's unit size unless another
    is given.
    """
    size = unit_size or settings.ORCHESTRA_UNIT_SIZE
    tools = schemas_of(team) if team is not None else {}
    try:
        plan = compile_definition(definition, functions=function_schemas(), tools=tools, unit_size=size)
    except InvalidWorkflow as error:
        return list(error.problems), None
    return [], plan


def read_text(text: str) -> tuple[Mapping[str, Any] | None, list[Problem]]:
    """Return the definition that a YAML or JSON text holds, or what keeps it from being read."""
    try:
        return definitions.load(text), []
    except InvalidWorkflow as error:
        return None, list(error.problems)


@transaction.atomic
def create_workflow(
    *,
    team: Team,
    name: str = "",
    definition: Mapping[str, Any] | None = None,
    text: str | None = None,
    slug: str | None = None,
    description: str = "",
    tags: Sequence[str] = (),
    allow_problems: bool = False,
    by: User,
) -> Workflow:
    """Make a workflow with a draft: the definition, the text, or a small one to start from.

    Without a name it takes the definition's. Raises NotPermitted, InvalidWorkflow (unless `allow_problems`),
    InvalidInput (no name, a slug that cannot be one), Conflict (the slug is taken).
    """
    require(by, team.pk, Role.EDITOR)
    draft = _read(team.pk, definition, text, fallback={**STARTER, "name": name} if name else STARTER)
    if draft.problems and not allow_problems:
        raise InvalidWorkflow(problems=draft.problems)
    name = name or str(draft.definition.get("name") or "")[:120]
    if not name.strip():
        raise InvalidInput(problems=[Problem("name", "required", _("A workflow needs a name."))])
    if slug is not None:
        check_slug(slug)
    fields = _draft_fields(draft) | {"description": description, "tags": list(tags), "created_by": by}
    return _insert(team=team, name=name, slug=slug, fields=fields)


@transaction.atomic
def save_draft(
    *,
    workflow: Workflow,
    definition: Mapping[str, Any] | None = None,
    text: str | None = None,
    revision: int | None = None,
    allow_problems: bool = False,
    by: User,
) -> Workflow:
    """Replace the draft by a definition or a text, and remember what is wrong with it.

    Text that cannot be read is kept as text; the last definition that could be read stays beside it.
    Raises NotPermitted, StaleRevision (the draft is not at `revision` any more), Conflict (archived),
    InvalidWorkflow (unless `allow_problems`).
    """
    require(by, workflow.team_id, Role.EDITOR)
    locked = _locked(workflow, revision)
    draft = _read(locked.team_id, definition, text, fallback=locked.draft)
    if draft.problems and not allow_problems:
        raise InvalidWorkflow(problems=draft.problems)
    return _update(locked, **_draft_fields(draft))


@transaction.atomic
def update_workflow(
    *,
    workflow: Workflow,
    name: str | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    max_runs: int | None = None,
    when_full: str | None = None,
    revision: int | None = None,
    by: User,
) -> Workflow:
    """Change what a workflow is called, how it is described, and how many of its runs go on at once.

    What is None stays; `max_runs` 0 takes the limit away. Raises NotPermitted, StaleRevision, Conflict (archived),
    InvalidInput (an empty name).
    """
    require(by, workflow.team_id, Role.EDITOR)
    if name is not None and not name.strip():
        raise InvalidInput(problems=[Problem("name", "required", _("A workflow needs a name."))])
    locked = _locked(workflow, revision)
    given = {"name": name, "description": description, "tags": None if tags is None else list(tags)}
    given |= {"when_full": when_full}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if max_runs is not None:
        changes["max_runs"] = max_runs or None
    return _update(locked, **changes)


@transaction.atomic
def publish(
    *, workflow: Workflow, definition: Mapping[str, Any] | None = None, note: str = "", by: User
) -> WorkflowVersion:
    """Freeze the draft, or this definition, as the next version, and make it the published one.

    A definition equal to the latest version's makes no new version: the latest is returned. When the draft
    had no changes of its own, a definition that is given becomes the draft too. Raises NotPermitted,
    InvalidWorkflow, Conflict (archived).
    """
    require(by, workflow.team_id, Role.EDITOR)
    locked = _locked(workflow, None)
    source = (
        _read(locked.team_id, definition, None, fallback={}) if definition is not None else _current(locked)
    )
    if source.plan is None:
        raise InvalidWorkflow(problems=source.problems)
    latest = locked.versions.order_by("-number").first()
    fields: dict[str, Any] = {}
    if latest is not None and latest.digest == source.plan.digest:
        version = latest
    else:
        version = _freeze(
            locked, source, source.plan, number=latest.number + 1 if latest else 1, note=note, by=by
        )
        if definition is not None and latest is not None and locked.draft == latest.definition:
            fields = _draft_fields(source)
    if locked.published_id != version.pk:
        _update(locked, published=version, **fields)
    workflow.published = version
    return version


@transaction.atomic
def freeze_draft(*, workflow: Workflow, by: User) -> WorkflowVersion:
    """Freeze the draft as it is, to be tried: a version without a number, or the one that says the same already.

    What was tried more than an hour ago and no run holds is removed. Raises NotPermitted (below operator),
    InvalidWorkflow, Conflict (archived).
    """
    require(by, workflow.team_id, Role.OPERATOR)
    locked = _locked(workflow, None)
    source = _current(locked)
    if source.plan is None:
        raise InvalidWorkflow(problems=source.problems)
    known = WorkflowVersion.every.filter(workflow=locked, digest=source.plan.digest).order_by("-number")
    version = known.first() or _freeze(locked, source, source.plan, number=TRIAL, note="", by=by)
    now = timezone.now()
    tried = WorkflowVersion.every.filter(workflow=locked, number=TRIAL)
    tried.filter(pk=version.pk).update(created_at=now)
    tried.filter(created_at__lt=now - TRIAL_KEPT, runs__isnull=True).delete()
    return version


@transaction.atomic
def restore_version(*, version: WorkflowVersion, by: User) -> WorkflowVersion:
    """Go back: make a version's definition the draft again and publish it as the newest version.

    Raises NotPermitted, Conflict (archived), InvalidWorkflow (what it needs is gone from this installation).
    """
    workflow = version.workflow
    save_draft(
        workflow=workflow,
        definition=None if version.text else version.definition,
        text=version.text or None,
        by=by,
    )
    return publish(
        workflow=workflow, note=_("Version %(number)s restored") % {"number": version.number}, by=by
    )


@transaction.atomic
def ensure_published(*, workflow: Workflow, by: User) -> WorkflowVersion:
    """Return the published version, publishing the draft when there is none. Raises as `publish` does."""
    if workflow.published is not None:
        return workflow.published
    return publish(workflow=workflow, by=by)


@transaction.atomic
def ensure_own_workflow(
    *, team: Team, slug: str, definition: Mapping[str, Any], tags: Sequence[str]
) -> Workflow:
    """Return the team's workflow of this short name, made and published by the product itself when there is none.

    It is the team's from then on: what they publish there stays. Raises Conflict (archived, nothing published).
    """
    mine = Workflow.objects.filter(team=team, slug=slug).select_related("published")
    found: Workflow | None = mine.first()
    if found is None:
        Team.objects.select_for_update().get(pk=team.pk)  # another may make it just now
        found = mine.first()
    if found is None:
        draft = _read(team.pk, definition, None, fallback={})
        if draft.plan is None:
            raise InvalidWorkflow(problems=draft.problems)
        fields = _draft_fields(draft) | {
            "tags": list(tags),
            "description": str(definition.get("description", "")),
        }
        found = _insert(team=team, name=str(definition["name"]), slug=slug, fields=fields)
        found.published = _freeze(found, draft, draft.plan, number=1, note="", by=None)
        found.save(update_fields=["published"])
    if found.archived_at is not None or found.published is None:
        raise Conflict(_("The workflow “%(slug)s” is archived or has no version.") % {"slug": slug})
    return found


@transaction.atomic
def duplicate_workflow(*, workflow: Workflow, name: str = "", by: User) -> Workflow:
    """Make a new workflow whose draft is this one's, problems included. Raises NotPermitted."""
    require(by, workflow.team_id, Role.EDITOR)
    current = _current(workflow)
    fields = _draft_fields(current) | {
        "description": workflow.description,
        "tags": list(workflow.tags),
        "created_by": by,
    }
    return _insert(team=workflow.team, name=name or workflow.name, slug=None, fields=fields)


@transaction.atomic
def archive_workflow(*, workflow: Workflow, by: User) -> Workflow:
    """Take a workflow out of the lists; its runs and versions stay. A second time changes nothing.

    Raises NotPermitted.
    """
    require(by, workflow.team_id, Role.EDITOR)
    locked: Workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if locked.archived_at is not None:
        return locked
    return _update(locked, archived_at=timezone.now())


@transaction.atomic
def unarchive_workflow(*, workflow: Workflow, by: User) -> Workflow:
    """Bring an archived workflow back into the lists. A second time changes nothing. Raises NotPermitted."""
    require(by, workflow.team_id, Role.EDITOR)
    locked: Workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if locked.archived_at is None:
        return locked
    return _update(locked, archived_at=None)


def _read(
    team: UUID, definition: Mapping[str, Any] | None, text: str | None, *, fallback: Mapping[str, Any]
) -> Draft:
    """Return the draft that a definition or a text makes; `fallback` stands in for what cannot be read."""
    found = definition if definition is not None else fallback
    if text is not None:
        read, unreadable = read_text(text)
        if read is None:
            return Draft(found, text, tuple(unreadable), None)
        found = read
    problems, plan = check(found, team=team)
    return Draft(found, text or "", tuple(problems), plan)


def _current(workflow: Workflow) -> Draft:
    return _read(workflow.team_id, workflow.draft, workflow.draft_text or None, fallback=workflow.draft)


def _draft_fields(draft: Draft) -> dict[str, Any]:
    return {
        "draft": dict(draft.definition),
        "draft_text": draft.text,
        "problems": [problem.as_json() for problem in draft.problems],
    }


def _locked(workflow: Workflow, revision: int | None) -> Workflow:
    """Return the workflow's row, locked. Raises StaleRevision, Conflict (archived)."""
    locked: Workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if locked.archived_at is not None:
        raise Conflict(_("This workflow is archived."))
    if revision is not None and locked.revision != revision:
        raise StaleRevision
    return locked


def _update(workflow: Workflow, **fields: Any) -> Workflow:
    for field, value in fields.items():
        setattr(workflow, field, value)
    workflow.revision += 1
    workflow.save(update_fields=[*fields, "revision", "updated_at"])
    return workflow


def _insert(*, team: Team, name: str, slug: str | None, fields: Mapping[str, Any]) -> Workflow:
    """Insert a workflow under its slug, or a free one; another insert may take that at the same time."""
    for _attempt in range(SLUG_RACES):
        chosen = slug or free_slug(team.pk, name)
        try:
            with transaction.atomic():
                return Workflow.objects.create(team=team, name=name, slug=chosen, **fields)
        except IntegrityError as error:
            if slug is not None:
                message = _("There is a workflow with the short name “%(slug)s” already.") % {"slug": slug}
                raise Conflict(message) from error
    raise Conflict(_("No free short name was found; give one."))


def _freeze(
    workflow: Workflow, source: Draft, plan: Plan, *, number: int, note: str, by: User | None
) -> WorkflowVersion:
    return WorkflowVersion.objects.create(
        workflow=workflow,
        number=number,
        definition=dict(source.definition),
        text=source.text,
        plan=plan_to_json(plan),
        digest=plan.digest,
        note=note,
        created_by=by,
    )
