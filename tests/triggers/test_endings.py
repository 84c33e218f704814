"""The end of a run starts another, once, and never in a circle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.runs.actions import start_run
from apps.runs.models import Run
from apps.triggers.actions import follow_endings, update_trigger
from apps.triggers.models import Firing, Trigger
from apps.workflows.models import Workflow
from orchestra.errors import InvalidInput
from tests.triggers.conftest import DEFINITION


@pytest.fixture
def source(publish_workflow: Any) -> Workflow:
    return publish_workflow({**DEFINITION, "name": "Source"}, name="Source")


@pytest.fixture
def begin(editor: User) -> Any:
    return lambda workflow: start_run(workflow=workflow, input={"name": "Ann"}, by=editor)


def test_an_end_starts_another_run_with_what_the_mapping_makes(
    make_trigger: Any, source: Workflow, begin: Any, end: Any
) -> None:
    text = "{{ run.workflow }} {{ run.number }} {{ run.input.name }} {{ run.output.text }}"
    trigger = make_trigger("event", source=source, input={"name": text})
    ended = end(begin(source), output={"text": "Hello"})

    counts = [follow_endings(), follow_endings()]

    firing = trigger.firings.get()
    assert counts == [1, 0]
    assert firing.run.input == {"name": "source 1 Ann Hello"}
    assert (firing.source_run, firing.run.origin) == (ended, "event")


def test_only_the_chosen_statuses_and_workflow_count(
    make_trigger: Any, source: Workflow, workflow: Workflow, begin: Any, end: Any
) -> None:
    make_trigger("event", source=source, statuses=["failed", "cancelled"])
    end(begin(source))
    end(begin(workflow), "failed")
    begin(source)

    assert follow_endings() == 0
    end(begin(source), "failed")
    assert follow_endings() == 1


def test_what_ended_before_it_listened_starts_nothing(
    make_trigger: Any, source: Workflow, begin: Any, end: Any, editor: User
) -> None:
    end(begin(source), at=timezone.now() - timedelta(seconds=1))
    trigger = make_trigger("event", source=source)
    update_trigger(trigger=trigger, is_enabled=False, by=editor)
    end(begin(source))
    update_trigger(trigger=trigger, is_enabled=True, by=editor)

    assert follow_endings() == 0


def test_an_end_whose_transaction_came_late_is_still_seen(
    make_trigger: Any, source: Workflow, begin: Any, end: Any
) -> None:
    trigger = make_trigger("event", source=source)
    now = timezone.now()
    Trigger.objects.filter(pk=trigger.pk).update(
        enabled_at=now - timedelta(hours=1), scanned_at=now - timedelta(seconds=1)
    )
    end(begin(source), at=now - timedelta(seconds=20))

    assert follow_endings() == 1


def test_ends_during_a_long_outage_are_caught_up(
    make_trigger: Any, source: Workflow, begin: Any, end: Any
) -> None:
    trigger = make_trigger("event", source=source)
    now = timezone.now()
    Trigger.objects.filter(pk=trigger.pk).update(
        enabled_at=now - timedelta(days=2), scanned_at=now - timedelta(days=1)
    )
    end(begin(source), at=now - timedelta(hours=20))
    end(begin(source), at=now - timedelta(hours=2))

    assert follow_endings() == 2


def test_two_workflows_that_start_each_other_stop(
    make_trigger: Any, source: Workflow, workflow: Workflow, begin: Any, end: Any
) -> None:
    there = make_trigger("event", source=source, to=workflow)
    make_trigger("event", source=workflow, to=source)
    end(begin(source))

    for _round in range(6):
        follow_endings()
        for run in Run.objects.filter(finished_at=None):
            end(run)

    assert Run.objects.count() == 3
    refused = Firing.objects.get(status="refused")
    assert refused.trigger == there
    assert "circle" in refused.detail


def test_listening_to_every_workflow_it_never_follows_itself(
    make_trigger: Any, workflow: Workflow, source: Workflow, begin: Any, end: Any
) -> None:
    make_trigger("event", to=workflow)
    end(begin(source))

    for _round in range(4):
        follow_endings()
        for run in Run.objects.filter(finished_at=None):
            end(run)

    assert Run.objects.count() == 2


def test_a_workflow_that_starts_itself_is_refused_when_saving(make_trigger: Any, workflow: Workflow) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_trigger("event", source=workflow, to=workflow)

    assert [one.code for one in caught.value.problems] == ["loop"]


def test_runs_of_other_teams_are_not_heard(
    make_trigger: Any, make_user: Any, publish_workflow: Any, editor: User, end: Any
) -> None:
    from apps.accounts.models import Membership, Role, Team

    make_trigger("event")
    other = Team.objects.create(name="Others", slug="others")
    Membership.objects.create(user=editor, team=other, role=Role.EDITOR)
    editor.__dict__.pop("_roles", None)
    theirs = publish_workflow({**DEFINITION, "name": "Theirs"}, name="Theirs", into=other)
    end(start_run(workflow=theirs, input={"name": "x"}, by=editor))

    assert follow_endings() == 0
