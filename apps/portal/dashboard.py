"""Front page of the admin: today's runs, queues, workers and connections at a glance."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import User
from apps.agents.models import Connection
from apps.runs import figures
from apps.runs.models import RUN_STATUS_CHOICES


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard's figures to the context of the admin's index; the theme calls this."""
    now = timezone.now()
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    counts = figures.runs_since(today)
    workers = figures.workers()
    alive = [worker for worker in workers if worker.is_alive]
    return {
        **context,
        "runs_today": [(status, label, counts.get(status, 0)) for status, label in RUN_STATUS_CHOICES],
        "runs_total": sum(counts.values()),
        "queues": figures.queues(),
        "workers": workers,
        "workers_alive": len(alive),
        "slots": sum(worker.slots for worker in alive),
        "slots_busy": sum(worker.busy for worker in alive),
        "connections": Connection.objects.aggregate(
            enabled=Count("pk", filter=Q(is_enabled=True)), total=Count("pk")
        ),
        "people": User.objects.filter(is_active=True).count(),
    }
