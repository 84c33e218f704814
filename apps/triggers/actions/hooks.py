"""Deliveries to webhooks: who sent it is known by the signature, and an id that came before starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from django.utils import timezone
from rest_framework.exceptions import ParseError

from apps.agents import crypto
from apps.triggers import signatures
from apps.triggers.actions.firing import Cause, fire
from apps.triggers.models import Firing, Kind, Trigger
from orchestra.api import parse_json
from orchestra.errors import BadSignature, Conflict, InvalidInput, Problem

MAX_BODY = 1024 * 1024
HIDDEN = frozenset({"authorization", "cookie", "proxy-authorization", "webhook-signature"})


def take_delivery(
    public_id: str, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Firing:
    """Check a delivery and fire its webhook; the same `webhook-id` again returns the firing of before.

    `headers` are lower case. Raises BadSignature (also when there is no such webhook, so that nobody learns which
    exist), Conflict (paused), InvalidInput (the body is not what its content type says).
    """
    now = timezone.now()
    trigger: Trigger | None = Trigger.objects.filter(public_id=public_id, kind=Kind.WEBHOOK).first()
    fault = signatures.find_fault(
        _secrets(trigger, now),
        message_id=headers.get("webhook-id", ""),
        timestamp=headers.get("webhook-timestamp", ""),
        signature=headers.get("webhook-signature", ""),
        body=body,
        now=now.timestamp(),
    )
    if trigger is None or fault:
        if trigger is not None:
            Trigger.objects.filter(pk=trigger.pk).update(refused_at=now, refused_why=fault[:200])
        raise BadSignature
    if not trigger.is_enabled:
        raise Conflict("This webhook is paused.")
    scope = {
        "body": _read(body, headers.get("content-type", "")),
        "headers": {name: value for name, value in headers.items() if name not in HIDDEN},
        "query": dict(query),
    }
    return fire(trigger.pk, Cause(key=headers["webhook-id"], scope=scope))


def _secrets(trigger: Trigger | None, now: datetime) -> list[str]:
    """Return the secrets that hold now; for a webhook that does not exist one that nobody knows."""
    if trigger is None:
        return [signatures.new_secret()]
    found = [crypto.decrypt(trigger.secret, row=trigger.pk, field="secret")]
    if trigger.previous_secret and trigger.previous_until and now < trigger.previous_until:
        found.append(crypto.decrypt(trigger.previous_secret, row=trigger.pk, field="previous_secret"))
    return found


def _read(body: bytes, content_type: str) -> Any:
    """Return a body as JSON, as the fields of a form, or as text, as its content type says (default JSON)."""
    form = content_type.partition(";")[0].strip().lower()
    try:
        if not form or form.endswith("json"):
            return parse_json(body) if body.strip() else None
        text = body.decode("utf-8")
        return dict(parse_qsl(text, max_num_fields=1000)) if form.endswith("urlencoded") else text
    except ParseError as error:
        raise InvalidInput(problems=[Problem("body", "bad_json", str(error.detail))]) from error
    except ValueError as error:
        raise InvalidInput(problems=[Problem("body", "bad_text", "The body is not UTF-8 text.")]) from error
