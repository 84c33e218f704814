"""Repeating a POST safely."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from apps.accounts import idempotency
from apps.accounts.models import IdempotencyKey, User
from apps.runs import api as runs_api
from apps.runs.models import Run
from apps.workflows.models import Workflow

RUNS = "/api/v1/workflows/greeting/runs"
BODY = {"input": {"name": "Ada"}}
KEY = {"Idempotency-Key": "order-7"}


def start(client: APIClient, body: Any = BODY, headers: Any = KEY, path: str = RUNS) -> Any:
    return client.post(path, body, format="json", headers=headers)


def test_the_same_request_gets_the_same_answer_and_acts_once(api: APIClient, workflow: Workflow):
    first, second = start(api), start(api)

    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Run.objects.count() == 1


def test_keys_in_the_order_of_the_writer_make_no_difference(api: APIClient, workflow: Workflow):
    start(api, {"input": {"name": "Ada"}, "priority": 1})

    assert start(api, {"priority": 1, "input": {"name": "Ada"}}).status_code == 202
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RUNS, {"input": {"name": "Eve"}}),
        ("/api/v1/workflows", {"name": "Other"}),
        (f"{RUNS}?wait=0", BODY),
    ],
)
def test_the_same_key_for_something_else_is_refused(
    api: APIClient, workflow: Workflow, path: str, body: dict[str, Any]
):
    start(api)

    answer = start(api, body, path=path)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Run.objects.count() == 1


def test_a_key_belongs_to_the_person_who_used_it(
    api: APIClient, client_of: Any, operator: User, workflow: Workflow
):
    mine, theirs = start(api), start(client_of(operator))

    assert mine.json()["id"] != theirs.json()["id"]


def test_an_error_is_not_kept_so_that_the_request_can_be_mended(api: APIClient, workflow: Workflow):
    assert start(api, {"input": {}}).status_code == 422

    assert start(api).status_code == 202
    assert Run.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "nö"])
def test_a_key_that_cannot_be_one_is_a_bad_request(api: APIClient, workflow: Workflow, key: str):
    answer = start(api, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json()["problems"][0]["path"] == "Idempotency-Key"
    assert not Run.objects.exists()


def test_a_request_that_is_still_running_makes_the_second_wait(
    api: APIClient, editor: User, workflow: Workflow
):
    start(api)
    IdempotencyKey.objects.update(status=None)

    answer = start(api)

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_in_use"
    assert answer.headers["Retry-After"] == "1"
    assert Run.objects.count() == 1


def test_the_reservation_of_a_process_that_died_is_taken_over(api: APIClient, workflow: Workflow):
    start(api)
    Run.objects.all().delete()
    long_ago = timezone.now() - idempotency.ABANDONED - timedelta(seconds=1)
    IdempotencyKey.objects.update(status=None, created_at=long_ago)

    assert start(api).status_code == 202
    assert Run.objects.count() == 1


def test_after_a_day_a_key_is_new_again(api: APIClient, workflow: Workflow):
    start(api)
    IdempotencyKey.objects.update(created_at=timezone.now() - idempotency.LIFETIME - timedelta(seconds=1))

    again = start(api, {"input": {"name": "Eve"}})

    assert again.status_code == 202
    assert Run.objects.count() == 2


def test_what_was_done_is_undone_when_somebody_took_the_reservation_over(
    api: APIClient, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
):
    original = runs_api.actions.start_run

    def slow_start(**arguments: Any) -> Run:
        run = original(**arguments)
        IdempotencyKey.objects.update(created_at=timezone.now())
        return run

    monkeypatch.setattr(runs_api.actions, "start_run", slow_start)

    assert start(api).status_code == 409
    assert not Run.objects.exists()


def test_an_answer_that_holds_a_secret_is_never_written_down(editor: User):
    class View:
        @idempotency.idempotent
        def post(self, request: Any) -> Response:
            return idempotency.never_store(Response({"secret": "ork_very_secret"}, status=201))

    request = type(
        "Request",
        (),
        {
            "headers": KEY,
            "user": editor,
            "method": "POST",
            "data": {},
            "get_full_path": lambda self: "/api/v1/tokens",
        },
    )()

    assert View().post(request).data["secret"] == "ork_very_secret"
    assert "ork_very_secret" not in str(IdempotencyKey.objects.values())
    with pytest.raises(idempotency.Conflict):
        View().post(request)


def test_many_at_once_start_one_run(transactional_db: None, client_of: Any, editor: User, workflow: Workflow):
    answers: list[Any] = []
    clients = [client_of(editor) for _ in range(6)]
    barrier = threading.Barrier(len(clients))

    def ask(client: APIClient) -> None:
        barrier.wait()
        try:
            answers.append(start(client))
        finally:
            close_old_connections()

    threads = [threading.Thread(target=ask, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Run.objects.count() == 1
    run = Run.objects.get()
    assert {answer.status_code for answer in answers} <= {202, 409}
    started = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert started == {str(run.pk)}
