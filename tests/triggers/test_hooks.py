"""Deliveries to webhooks: signed, fresh, once."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.runs.models import Run
from apps.triggers import actions, signatures
from apps.triggers.actions.hooks import MAX_BODY
from apps.triggers.models import Trigger


@pytest.fixture
def deliver() -> Any:
    """Return what delivers to a webhook: `deliver(trigger, {"name": "x"}, id="m1", secret=…, at=…)`."""

    def send(
        trigger: Trigger, body: Any, *, place: str = "/hooks", id: str = "msg_1", secret: str = "",
        at: float | None = None, headers: dict[str, str] | None = None, content_type: str = "application/json",
    ) -> Any:  # fmt: skip
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        moment = int(time.time() if at is None else at)
        signature = signatures.sign(secret or trigger.__dict__["shown"], id, moment, raw)
        given = {"webhook-id": id, "webhook-timestamp": str(moment), "webhook-signature": signature}
        return Client().post(
            f"{place}/{trigger.public_id}",
            raw,
            content_type=content_type,
            headers={**given, **(headers or {})},
        )

    return send


@pytest.fixture
def hook(make_trigger: Any) -> Trigger:
    return make_trigger("webhook", input={"name": "{{ body.who }} {{ query.a }} {{ headers['x-kind'] }}"})


def test_a_signature_is_that_of_the_specification() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    made = signatures.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("place", ["/hooks", "/api/v1/hooks"])
def test_a_signed_delivery_starts_a_run_with_what_the_mapping_makes(
    hook: Trigger, deliver: Any, place: str
) -> None:
    answer = deliver(hook, {"who": "Ann"}, place=place, headers={"X-Kind": "k"})

    run = Run.objects.get()
    assert answer.status_code == 202
    assert answer.json()["id"] == str(run.pk)
    assert run.input == {"name": "Ann None k"} or run.input == {"name": "Ann  k"}
    assert run.origin == "webhook"


def test_the_same_id_again_answers_with_the_same_run(hook: Trigger, deliver: Any) -> None:
    first = deliver(hook, {"who": "Ann"})
    second = deliver(hook, {"who": "Ann"})

    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (202, 202)
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    "forge",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,{}"},
        {"webhook-id": "other"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": ""},
        {"webhook-id": ""},
    ],
)
def test_a_forged_delivery_starts_nothing(hook: Trigger, deliver: Any, forge: dict[str, str]) -> None:
    answer = deliver(hook, {"who": "Ann"}, headers=forge)

    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_signature"
    assert Run.objects.count() == 0
    hook.refresh_from_db()
    assert hook.refused_why


def test_the_secret_of_another_webhook_opens_nothing(hook: Trigger, deliver: Any, make_trigger: Any) -> None:
    other = make_trigger("webhook")

    assert deliver(hook, {}, secret=other.__dict__["shown"]).status_code == 401


def test_a_webhook_that_does_not_exist_answers_like_one_with_a_wrong_signature(
    hook: Trigger, deliver: Any
) -> None:
    wrong = deliver(hook, {}, secret=signatures.new_secret())
    hook.public_id = "no-such-hook"
    missing = deliver(hook, {})

    same = ("title", "status", "detail", "code")
    assert [missing.json()[key] for key in same] == [wrong.json()[key] for key in same]


@pytest.mark.parametrize("shift", [-600, 600])
def test_a_delivery_from_another_time_is_refused(hook: Trigger, deliver: Any, shift: int) -> None:
    assert deliver(hook, {"who": "x"}, at=time.time() + shift).status_code == 401
    assert Run.objects.count() == 0


def test_after_a_rotation_the_old_secret_holds_for_a_day(hook: Trigger, deliver: Any, editor: Any) -> None:
    old = hook.__dict__["shown"]
    new = actions.rotate_secret(trigger=hook, by=editor)

    both = [deliver(hook, {"who": "x"}, secret=one, id=one[:20]).status_code for one in (old, new)]
    Trigger.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    late = deliver(hook, {"who": "x"}, secret=old, id="late")

    assert both == [202, 202]
    assert late.status_code == 401


def test_a_body_above_the_limit_is_refused(hook: Trigger, deliver: Any) -> None:
    assert deliver(hook, b"x" * (MAX_BODY + 1)).status_code == 413


def test_a_body_that_is_not_what_it_says_is_a_problem(hook: Trigger, deliver: Any) -> None:
    answer = deliver(hook, b"{nonsense")

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["path"] == "body"


def test_an_input_that_does_not_fit_is_told_and_can_be_sent_again(
    hook: Trigger, deliver: Any, editor: Any
) -> None:
    actions.update_trigger(trigger=hook, input={"name": "{{ body.count }}"}, by=editor)
    refused = deliver(hook, {"count": 3})
    actions.update_trigger(trigger=hook, input={"name": "{{ body.count }}!"}, by=editor)
    taken = deliver(hook, {"count": 3})

    assert (refused.status_code, refused.json()["id"]) == (422, None)
    assert "name" in refused.json()["detail"]
    assert (taken.status_code, Run.objects.get().input) == (202, {"name": "3!"})


def test_form_fields_and_text_are_read_too(make_trigger: Any, deliver: Any) -> None:
    fields = make_trigger("webhook", input="{{ body }}")
    text = make_trigger("webhook", input={"name": "{{ body }}"})

    deliver(fields, b"name=Ann%20B", content_type="application/x-www-form-urlencoded")
    deliver(text, b"plain words", content_type="text/plain")

    assert [run.input["name"] for run in Run.objects.order_by("pk")] == ["Ann B", "plain words"]


def test_a_paused_webhook_says_so_to_who_may_know(hook: Trigger, deliver: Any, editor: Any) -> None:
    actions.update_trigger(trigger=hook, is_enabled=False, by=editor)

    assert deliver(hook, {}).status_code == 409
    assert deliver(hook, {}, secret=signatures.new_secret()).status_code == 401


def test_signatures_and_credentials_are_not_in_scope(make_trigger: Any, deliver: Any) -> None:
    hook = make_trigger("webhook", input={"name": "{{ headers | tojson }}"})

    deliver(hook, {}, headers={"Authorization": "Bearer canary", "Cookie": "sessionid=canary"})

    shown = Run.objects.get().input["name"]
    assert "canary" not in shown
    assert "webhook-signature" not in shown
    assert "webhook-id" in shown


def test_no_secret_is_stored_in_the_clear(hook: Trigger) -> None:
    hook.refresh_from_db()

    assert hook.secret
    assert hook.__dict__.get("shown", "whsec") not in hook.secret
    assert "whsec" not in hook.secret
