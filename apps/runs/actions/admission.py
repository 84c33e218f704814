"""The state of an account's limits, or of a run's money, in the database, for installations without Redis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from apps.runs.models import Admission
from orchestra.llm.limits import State

T = TypeVar("T")
KEPT = timedelta(days=1)
Change = Callable[[State, int], T]
"""Reads and changes a state at a time in milliseconds."""


def change_admission(account: str, change: Change[T]) -> T:
    """Let `change` work on an account's state with its row locked; return what it returns."""
    with transaction.atomic():
        Admission.objects.get_or_create(account=account)
        row = Admission.objects.select_for_update().get(account=account)
        answer = change(row.state, int(timezone.now().timestamp() * 1000))
        row.save()
    return answer


def forget_spending() -> int:
    """Delete what was kept of the money of runs that have made no call for long; return how many."""
    old = Admission.objects.filter(account__startswith="run:", changed_at__lt=timezone.now() - KEPT)
    return old.delete()[0]
