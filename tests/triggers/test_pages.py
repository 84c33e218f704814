"""The pages of triggers, and the forms that people fill in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.runs.models import Run
from apps.triggers.models import Firing, Trigger
from tests.portal.markup import Page


def test_the_kind_is_chosen_first(browse: Client) -> None:
    page = browse.get("/triggers/new/").content.decode()

    assert [kind for kind in ("schedule", "webhook", "event", "form") if f"?kind={kind}" in page] == [
        "schedule",
        "webhook",
        "event",
        "form",
    ]


def test_a_schedule_is_made_shown_changed_paused_and_deleted(browse: Client, workflow: Any) -> None:
    fields = {
        "kind": "schedule", "name": "Every morning", "workflow": str(workflow.pk), "cron": "30 8 * * 1-5",
        "time_zone": "Europe/Berlin", "misfire": "skip", "catch_up": "5", "input": '{"name": "x"}', "overlap": "queue",
        "priority": "2", "is_enabled": "on",
    }  # fmt: skip
    made = browse.post("/triggers/new/", fields)
    trigger = Trigger.objects.get()
    shown = browse.get(made.headers["Location"]).content.decode()
    browse.post(f"/triggers/{trigger.pk}/", {**fields, "name": "Every evening", "cron": "0 18 * * *"})
    changed = Trigger.objects.get()
    browse.post(f"/triggers/{trigger.pk}/switch/", {"enabled": "0"})
    paused = Trigger.objects.get()
    listed = browse.get("/triggers/").content.decode()
    browse.post(f"/triggers/{trigger.pk}/delete/")

    assert trigger.settings["cron"] == "30 8 * * 1-5"
    assert (trigger.settings["overlap"], trigger.priority) == ("queue", 2)
    assert shown.count("<time") >= 5
    assert "08:30:00" in shown
    assert (changed.name, changed.settings["cron"]) == ("Every evening", "0 18 * * *")
    assert (paused.is_enabled, paused.next_at) == (False, None)
    assert "Every evening" in listed
    assert "Paused" in listed
    assert not Trigger.objects.exists()


def test_what_is_wrong_stands_at_its_field(browse: Client, workflow: Any) -> None:
    answer = browse.post(
        "/triggers/new/",
        {"kind": "schedule", "name": "x", "workflow": str(workflow.pk), "cron": "99 * * * *", "time_zone": "UTC",
         "misfire": "once", "overlap": "allow", "priority": "1", "input": '{"a": "{{ nonsense }}"}'},
    )  # fmt: skip

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["cron", "input"]


def test_the_preview_says_when_or_what_is_wrong(browse: Client) -> None:
    good = browse.get("/triggers/preview/", {"cron": "0 12 * * *", "time_zone": "Asia/Tokyo"})
    bad = browse.get("/triggers/preview/", {"cron": "nonsense", "time_zone": "UTC"})

    assert good.content.decode().count("T12:00:00+09:00") == 5
    assert "not a schedule" in bad.content.decode()


def test_the_secret_of_a_webhook_is_shown_once(browse: Client, workflow: Any) -> None:
    made = browse.post(
        "/triggers/new/",
        {"kind": "webhook", "name": "x", "workflow": str(workflow.pk), "overlap": "allow", "priority": "1",
         "input": '"{{ body }}"', "is_enabled": "on"},
    )  # fmt: skip
    first = browse.get(made.headers["Location"]).content.decode()
    second = browse.get(made.headers["Location"]).content.decode()
    rotated = browse.post(f"{made.headers['Location']}rotate/", follow=True).content.decode()

    trigger = Trigger.objects.get()
    assert "whsec_" in first
    assert f"/hooks/{trigger.public_id}" in first
    assert "whsec_" not in second
    assert "whsec_" in rotated
    assert trigger.input == "{{ body }}"


def test_the_history_says_what_came_of_each_firing(browse: Client, make_trigger: Any) -> None:
    from apps.triggers.actions.firing import Cause, fire

    trigger = make_trigger("webhook", input={"name": "{{ body }}"})
    fire(trigger.pk, Cause(key="good", scope={"body": "Ann"}))
    fire(trigger.pk, Cause(key="bad", scope={"body": 3}))

    page = Page(browse.get(f"/triggers/{trigger.pk}/history/").content.decode())

    run = Run.objects.get()
    link = f'href="/triggers/{trigger.pk}/history/"'
    assert link in browse.get(f"/runs/{run.pk}/").content.decode()
    Firing.objects.all().delete()
    assert link not in browse.get(f"/runs/{run.pk}/").content.decode()
    rows = [
        tag.attributes["data-firing-status"]
        for tag in page.find("tr")
        if "data-firing-status" in tag.attributes
    ]
    assert rows == ["refused", "started"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_opens_for_a_viewer_or_says_no(make_trigger: Any, viewer: User, language: str) -> None:
    trigger = make_trigger("schedule", cron="0 * * * *")
    client = Client(headers={"Accept-Language": language})
    client.force_login(viewer)

    answers = {
        path: client.get(path).status_code
        for path in (
            "/triggers/",
            f"/triggers/{trigger.pk}/history/",
            "/triggers/new/",
            f"/triggers/{trigger.pk}/",
        )
    }

    assert list(answers.values()) == [200, 200, 403, 403]


def test_triggers_of_others_are_not_there(make_trigger: Any, make_user: Any) -> None:
    from apps.accounts.models import Role, Team

    trigger = make_trigger("webhook")
    client = Client()
    client.force_login(make_user("mallory", Team.objects.create(name="O", slug="o"), Role.OWNER))

    assert client.get(f"/triggers/{trigger.pk}/").status_code == 404
    assert client.post(f"/triggers/{trigger.pk}/rotate/").status_code == 404
    assert client.post(f"/triggers/{trigger.pk}/delete/").status_code == 404
    assert trigger.name not in client.get("/triggers/").content.decode()


def test_a_public_form_starts_one_run_for_a_stranger(client: Client, make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, title="Ask us", text="We answer.", input={})
    page = client.get(f"/forms/{trigger.public_id}")
    key = Page(page.content.decode()).find("input", name="key")[0].attributes["value"]

    first = client.post(f"/forms/{trigger.public_id}", {"key": key, "input-name": "Ann"})
    again = client.post(f"/forms/{trigger.public_id}", {"key": key, "input-name": "Ann"})

    run = Run.objects.get()
    assert "Ask us" in page.content.decode()
    assert (first.status_code, again.status_code) == (200, 200)
    assert "Thank you" in first.content.decode()
    assert (run.input, run.origin, run.started_by.username) == ({"name": "Ann"}, "form", "ada")
    assert str(run.pk) not in first.content.decode()


def test_a_form_asks_neither_for_priority_nor_for_constants(client: Client, make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, input={"name": "fixed"})
    page = client.get(f"/forms/{trigger.public_id}").content.decode()

    client.post(f"/forms/{trigger.public_id}", {"input-name": "mine", "priority": "3"})

    run = Run.objects.get()
    assert 'name="priority"' not in page
    assert 'name="input-name"' not in page
    assert (run.input, run.priority) == ({"name": "fixed"}, 1)


def test_what_is_missing_in_a_form_is_said_and_starts_nothing(client: Client, make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, input={})

    answer = client.post(f"/forms/{trigger.public_id}", {"input-name": ""})

    assert answer.status_code == 422
    assert not Run.objects.exists()


def test_a_form_for_the_team_is_for_the_team(
    make_trigger: Any, make_user: Any, operator: User, viewer: User
) -> None:
    trigger = make_trigger("form", input={})
    path = f"/forms/{trigger.public_id}"

    def status(user: User | None) -> int:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client.get(path).status_code

    assert [status(None), status(operator), status(viewer), status(make_user("stranger"))] == [
        302,
        200,
        404,
        404,
    ]


def test_a_member_is_taken_to_the_run(make_trigger: Any, operator: User) -> None:
    trigger = make_trigger("form", input={})
    client = Client()
    client.force_login(operator)

    answer = client.post(f"/forms/{trigger.public_id}", {"input-name": "Ann"})

    assert answer.headers["Location"] == f"/runs/{Run.objects.get().pk}/"


def test_floods_of_forms_are_stopped(client: Client, make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, input={})

    statuses = [
        client.post(f"/forms/{trigger.public_id}", {"input-name": str(number)}).status_code
        for number in range(6)
    ]

    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_a_paused_form_is_not_there(client: Client, make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, is_enabled=False)

    assert client.get(f"/forms/{trigger.public_id}").status_code == 404


def test_a_form_takes_no_posts_from_other_sites(make_trigger: Any) -> None:
    trigger = make_trigger("form", is_public=True, input={})

    answer = Client(enforce_csrf_checks=True).post(f"/forms/{trigger.public_id}", {"input-name": "x"})

    assert answer.status_code == 403
    assert not Run.objects.exists()
