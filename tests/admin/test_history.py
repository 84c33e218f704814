"""History is read-only, for superusers too; and the safe actions do what they say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from apps.accounts import tokens
from apps.accounts.models import ApiKey, Role, User
from apps.agents.models import Connection
from apps.runs.actions import start_run

HISTORY = [
    "runs.Run", "runs.NodeRun", "runs.Event", "runs.Worker", "workflows.Workflow", "workflows.WorkflowVersion",
    "accounts.RefreshToken", "accounts.IdempotencyKey", "accounts.LoginLink", "accounts.ApiKey",
    "agents.Connection", "agents.Agent", "usersessions.UserSession",
]  # fmt: skip


def pages(label: str, row: Any = None) -> dict[str, str]:
    model = apps.get_model(label)
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    found = {"list": reverse(f"{base}_changelist"), "add": reverse(f"{base}_add")}
    if row is not None:
        found["change"] = reverse(f"{base}_change", args=[row.pk])
        found["delete"] = reverse(f"{base}_delete", args=[row.pk])
    return found


@pytest.mark.parametrize("label", HISTORY)
def test_history_cannot_be_added_changed_or_deleted(
    operator: Client, rows: SimpleNamespace, label: str
) -> None:
    model = apps.get_model(label)
    row = model.objects.first()
    before = list(model.objects.order_by("pk").values())
    where = pages(label, row)

    answers = {
        "add": operator.post(where["add"], {"name": "x"}),
        "change": operator.post(where["change"], {"name": "x", "status": "succeeded"}),
        "delete": operator.post(where["delete"], {"post": "yes"}),
    }
    chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    operator.post(where["list"], chosen)

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 403)
    assert list(model.objects.order_by("pk").values()) == before


def choose(operator: Client, label: str, action: str, row: Any) -> Any:
    body = {"action": action, "_selected_action": [str(row.pk)]}
    return operator.post(pages(label)["list"], body, follow=True)


def test_an_operator_cancels_a_run_of_any_team(operator: Client, rows: SimpleNamespace) -> None:
    answer = choose(operator, "runs.Run", "cancel", rows.run)

    rows.run.refresh_from_db()
    assert answer.status_code == 200
    assert rows.run.status == "cancelled"
    assert LogEntry.objects.filter(object_id=str(rows.run.pk)).exists()


def test_an_operator_pauses_and_resumes_a_run_of_any_team(operator: Client, rows: SimpleNamespace) -> None:
    found = []
    for action in ("pause", "resume"):
        choose(operator, "runs.Run", action, rows.run)
        rows.run.refresh_from_db()
        found.append(rows.run.status)

    assert found == ["paused", "running"]


def test_an_operator_retries_a_run_of_any_team(operator: Client, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(
        {"orchestra": 1, "nodes": {"a": {"kind": "transform", "settings": {"value": 1}}}}
    )
    run = start_run(workflow=workflow, input={}, by=editor)
    choose(operator, "runs.Run", "cancel", run)

    answer = choose(operator, "runs.Run", "retry", run)

    run.refresh_from_db()
    assert (answer.status_code, run.status) == (200, "queued")


def test_cancelling_what_has_ended_says_why_not(operator: Client, rows: SimpleNamespace) -> None:
    choose(operator, "runs.Run", "cancel", rows.run)

    answer = choose(operator, "runs.Run", "cancel", rows.run)

    assert b"already ended" in answer.content


def test_an_operator_disables_a_connection(operator: Client, rows: SimpleNamespace) -> None:
    choose(operator, "agents.Connection", "disable", rows.connection)

    connection = Connection.objects.get(pk=rows.connection.pk)
    assert not connection.is_enabled
    assert connection.secret == rows.connection.secret


def test_an_operator_revokes_a_key(operator: Client, rows: SimpleNamespace) -> None:
    choose(operator, "accounts.ApiKey", "revoke", rows.key)

    assert ApiKey.objects.get(pk=rows.key.pk).revoked_at is not None


def test_an_operator_ends_the_sessions_of_a_person(
    operator: Client, editor: User, rows: SimpleNamespace
) -> None:
    elsewhere = Client()
    elsewhere.post("/accounts/login/", {"login": "ada", "password": "correct horse"})
    pair = tokens.issue(editor)

    choose(operator, "accounts.User", "end_sessions", editor)

    assert elsewhere.get("/api/v1/me").status_code == 401
    with pytest.raises(tokens.BadToken):
        tokens.verify_access(pair.access)


@pytest.mark.parametrize(
    ("label", "action", "row"),
    [
        ("runs.Run", "cancel", "run"),
        ("agents.Connection", "disable", "connection"),
        ("accounts.ApiKey", "revoke", "key"),
        ("usersessions.UserSession", "end", "session"),
    ],
)
def test_safe_actions_take_a_superuser(
    client: Client, make_user: Any, rows: SimpleNamespace, label: str, action: str, row: str
) -> None:
    from django.contrib.auth.models import Permission

    stan = make_user("stan", is_staff=True)
    stan.user_permissions.set(Permission.objects.all())
    client.force_login(stan)
    model = apps.get_model(label)
    before = list(model.objects.order_by("pk").values())

    choose(client, label, action, getattr(rows, row))

    assert list(model.objects.order_by("pk").values()) == before


def test_an_invitation_can_be_withdrawn(operator: Client, rows: SimpleNamespace) -> None:
    operator.post(pages("accounts.Invitation", rows.invitation)["delete"], {"post": "yes"})

    assert not type(rows.invitation).objects.filter(pk=rows.invitation.pk).exists()


def test_an_operator_adds_a_person_and_puts_them_in_a_team(operator: Client, rows: SimpleNamespace) -> None:
    body = {
        "username": "nora", "email": "nora@example.org", "password1": "battery staple 9",
        "password2": "battery staple 9", "usable_password": "true", "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }  # fmt: skip

    answer = operator.post(pages("accounts.User")["add"], body)

    assert answer.status_code == 302, answer.context["errors"]
    nora = User.objects.get(username="nora")
    assert nora.email == "nora@example.org"
    assert not nora.is_staff
    assert nora.check_password("battery staple 9")


def test_the_dashboard_counts(operator: Client, rows: SimpleNamespace) -> None:
    context = operator.get("/admin/").context

    assert context["runs_total"] == 1
    assert {status: count for status, _label, count in context["runs_today"]}["running"] == 1
    assert {queue.name: queue.queued for queue in context["queues"]} == {
        "llm": 1,
        "io": 0,
        "cpu": 0,
        "control": 0,
    }
    assert [(worker.name, worker.is_alive) for worker in context["workers"]] == [("w1", False)]
    assert context["connections"] == {"enabled": 2, "total": 2}


def test_runs_of_yesterday_are_not_of_today(rows: SimpleNamespace) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from apps.runs import figures

    assert figures.runs_since(timezone.now() - timedelta(minutes=5)) == {"running": 1}
    assert figures.runs_since(timezone.now() + timedelta(seconds=1)) == {}


def test_a_superuser_has_the_admin_but_no_team(operator: Client, rows: SimpleNamespace) -> None:
    me = operator.get("/api/v1/me").json()

    assert me["teams"] == []
    assert operator.get(f"/api/v1/runs/{rows.run.pk}").status_code == 404
    assert Role.OWNER not in me
