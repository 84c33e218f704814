"""The first page: its figures equal the rows, its day is the reader's, its checklist ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents.models import Connection
from apps.portal import overview
from apps.runs.models import Run, Worker
from apps.usage.models import Budget, ModelCall
from apps.workflows.models import Workflow, WorkflowVersion


@pytest.fixture
def workflow(team: Team) -> Workflow:
    made = Workflow.objects.create(team=team, slug="brief", name="Brief")
    made.published = WorkflowVersion.objects.create(
        workflow=made, number=1, definition={}, plan={}, digest="d"
    )
    made.save()
    return made


@pytest.fixture
def add_run(workflow: Workflow) -> Any:
    """Return a factory of runs: `add_run(status="failed", cost="0.5", at=…)`."""

    def add(status: str = "succeeded", at: datetime | None = None, cost: str = "0", **fields: Any) -> Run:
        number = Run.objects.count() + 1
        return Run.objects.create(
            team=workflow.team, workflow=workflow, version=workflow.published, number=number, status=status,
            created_at=at or timezone.now(), cost=Decimal(cost), **fields,
        )  # fmt: skip

    return add


def test_the_greeting_uses_the_display_name(browse: Any, owner: User, editor: User) -> None:
    named, unnamed = browse(owner).get("/"), browse(editor).get("/")

    assert "Welcome back, Olga Owner" in named.content.decode()
    assert "Welcome back, ada" in unnamed.content.decode()


def test_todays_figures_equal_the_rows(editor: User, team: Team, add_run: Any) -> None:
    add_run("succeeded", cost="0.25", input_tokens=100, output_tokens=20)
    add_run("failed", cost="0.10", input_tokens=7)
    add_run("cancelled")
    add_run("running")
    add_run("succeeded", at=timezone.now() - timedelta(days=2), cost="9", input_tokens=9999)

    today = overview.today(editor, team)

    assert (today.runs, today.open, today.succeeded, today.failed) == (4, 1, 1, 1)
    assert (today.tokens, today.cost) == (127, Decimal("0.35"))


def test_a_day_begins_at_midnight_where_the_reader_is(editor: User, team: Team, add_run: Any) -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    with timezone.override(shanghai):
        midnight = overview.midnight()
        add_run(at=midnight - timedelta(seconds=1))
        add_run(at=midnight + timedelta(seconds=1))

        runs, days = overview.today(editor, team).runs, overview.last_days(editor, team)

    assert midnight.astimezone(UTC).hour == 16
    assert runs == 1
    assert [day.runs for day in days[-2:]] == [1, 1]
    assert len(days) == overview.DAYS


def test_recent_runs_are_the_newest_of_the_active_team(browse: Any, editor: User, add_run: Any) -> None:
    runs = [add_run() for _ in range(overview.RECENT_RUNS + 2)]

    page = browse(editor).get("/home/live/").content.decode()

    assert str(runs[-1].pk) in page
    assert str(runs[0].pk) not in page
    assert page.count("data-run-id=") == overview.RECENT_RUNS
    assert 'data-run-status="succeeded"' in page


def test_runs_of_other_teams_do_not_count(browse: Any, make_user: Any, add_run: Any) -> None:
    run = add_run(cost="5")
    others = Team.objects.create(name="Others", slug="others")
    stranger = make_user("stranger", others)

    page = browse(stranger).get("/").content.decode()

    assert str(run.pk) not in page
    assert overview.today(stranger, others).runs == 0


def test_the_page_asks_the_database_a_bounded_number_of_times(
    browse: Any, editor: User, add_run: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        add_run(started_by=editor)
    browser = browse(editor)

    with django_assert_max_num_queries(26):
        browser.get("/")


def test_workers_without_a_lease_do_not_count(browse: Any, editor: User, team: Team) -> None:
    now = timezone.now()
    Worker.objects.create(name="alive", queues="llm", pool="loop", slots=9, version="1", seen_at=now)
    Worker.objects.create(
        name="silent", queues="llm", pool="loop", slots=9, version="1", seen_at=now - timedelta(hours=1)
    )

    assert overview.readiness(editor, team)["workers"] == 1


def test_the_checklist_marks_what_is_done_and_goes_when_all_is(
    browse: Any, editor: User, viewer: User, team: Team, add_run: Any
) -> None:
    browser = browse(editor)

    before = browser.get("/").content.decode()
    add_run("succeeded")
    Connection.objects.create(team=team, slug="c", name="C", dialect="simulated", is_default=True)
    after = browser.get("/").content.decode()

    assert "/connections/new/" in before.split('id="checklist"')[1]
    assert 'id="checklist"' not in after


def test_the_checklist_is_hidden_for_who_hides_it(browse: Any, editor: User) -> None:
    browser = browse(editor)

    shown = 'id="checklist"' in browser.get("/").content.decode()
    answer = browser.post("/home/checklist/hide/", follow=True)

    assert shown
    assert 'id="checklist"' not in answer.content.decode()


def test_a_viewer_is_offered_nothing_that_is_refused(browse: Any, viewer: User, workflow: Workflow) -> None:
    page = browse(viewer).get("/").content.decode()

    assert "/workflows/new/" not in page
    assert "/workflows/brief/start/" not in page
    assert 'id="checklist"' not in page


def test_the_first_page_shows_what_is_spent_of_the_teams_budgets(
    browse: Any, editor: User, team: Team
) -> None:
    own = Budget.objects.create(team=team, name="Month", amount=Decimal(10))
    Budget.objects.create(team=team, name="Each agent", scope="agent", amount=Decimal(10))
    ModelCall.objects.create(team=team, at=timezone.now(), cost=Decimal(4), model="m")

    page = " ".join(browse(editor).get("/").content.decode().split())

    assert f'data-budget-id="{own.pk}" data-percent="40"' in page
    assert "$4.00 / $10.00" in page
    assert "Each agent" not in page
