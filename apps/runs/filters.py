"""Which runs: the filters of the list, each served by an index or by the order of the ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework import serializers

from apps.accounts.models import User
from apps.runs.figures import first_id_at
from apps.runs.models import Origin, Run
from apps.workflows.models import Workflow
from apps.workflows.tags import with_tag
from orchestra.engine.status import RunStatus

SLACK = timedelta(seconds=2)
"""A run's id carries a time that is at most this far from its `created_at`."""
LARGEST_NUMBER = 2**63 - 1


class StatusesField(serializers.CharField):
    """Statuses with commas between them."""

    def to_internal_value(self, data: Any) -> Any:
        found = [part.strip() for part in super().to_internal_value(data).split(",") if part.strip()]
        known = {status.value for status in RunStatus}
        for status in found:
            if status not in known:
                raise serializers.ValidationError(
                    f"There is no status {status[:40]!r}.", code="unknown_status"
                )
        return found


class RunFilters(serializers.Serializer[Any]):
    """The query parameters of the list of runs."""

    workflow = serializers.CharField(required=False, help_text="Short name or id.")
    status = StatusesField(required=False, help_text="One status, or several with commas.")
    trigger = serializers.ChoiceField(Origin.choices, required=False, help_text="What started it.")
    started_by = serializers.CharField(required=False, help_text="A user name, or `me`.")
    started_after = serializers.DateTimeField(required=False, help_text="Started at this time or later.")
    started_before = serializers.DateTimeField(required=False, help_text="Started before this time.")
    parent = serializers.UUIDField(  # type: ignore[assignment]  # declared fields leave the class
        required=False, help_text="The child runs of this run."
    )
    tag = serializers.CharField(required=False)
    q = serializers.CharField(
        required=False, max_length=200, help_text="A run's number or id, or part of a workflow's name."
    )


def filtered(runs: QuerySet[Run, Run], given: dict[str, Any], user: User) -> QuerySet[Run, Run]:
    """Return the runs that fit the validated `RunFilters`."""
    if "workflow" in given:
        runs = runs.filter(workflow__in=list(_workflows(given["workflow"], user)))
    if given.get("status"):
        runs = runs.filter(status__in=given["status"])
    if "trigger" in given:
        runs = runs.filter(origin=given["trigger"])
    if "started_by" in given:
        name = given["started_by"]
        runs = runs.filter(started_by=user) if name == "me" else runs.filter(started_by__username=name)
    if "started_after" in given:
        since = given["started_after"]
        runs = runs.filter(created_at__gte=since, pk__gte=first_id_at(since - SLACK))
    if "started_before" in given:
        until = given["started_before"]
        runs = runs.filter(created_at__lt=until, pk__lt=first_id_at(until + SLACK))
    if "parent" in given:
        runs = runs.filter(parent_id=given["parent"])
    if "tag" in given:
        runs = with_tag(runs, given["tag"])
    if "q" in given:
        runs = runs.filter(_matches(given["q"], user))
    return runs


def _workflows(key: str, user: User) -> QuerySet[Workflow, UUID]:
    try:
        wanted = Q(pk=UUID(key))
    except ValueError:
        wanted = Q(slug=key)
    found: QuerySet[Workflow, UUID] = (
        Workflow.objects.visible_to(user).filter(wanted).values_list("pk", flat=True)
    )
    return found


def _matches(text: str, user: User) -> Q:
    """A run's id or number is compared; names are looked up among the workflows, which are few."""
    text = text.strip()
    try:
        return Q(pk=UUID(text))
    except ValueError:
        named = Workflow.objects.visible_to(user).filter(Q(name__icontains=text) | Q(slug__icontains=text))
        wanted = Q(workflow__in=list(named.values_list("pk", flat=True)))
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and int(number) <= LARGEST_NUMBER:
        wanted |= Q(number=int(number))
    return wanted
