"""The result backend: it keeps no results, only the counters that tell when a chord's header is complete.

Counters live in Redis where there is one, otherwise in the database. Losing them costs a rescue, never a run: the
body's node run stays queued and the upkeep sends for it again. Stock backends join nested headers by waiting for
results inside a task, which Celery refuses; nothing here waits.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any, Protocol

import redis
import structlog
from celery import maybe_signature
from celery.backends.base import Backend
from django.conf import settings
from django.db import IntegrityError, transaction

from apps.runs.models import CanvasPart
from workers import runtime

log = structlog.get_logger(__name__)

KEEP_SECONDS = 24 * 3600


class Counters(Protocol):
    def set_size(self, group: str, size: int) -> None:
        """Say how many members a header has."""

    def arrive(self, group: str, member: str) -> bool:
        """Count a member once; True for the one that completes the header."""


class RedisCounters:
    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url, socket_timeout=30, socket_connect_timeout=5, max_connections=1000
        )

    def set_size(self, group: str, size: int) -> None:
        self.client.set(f"orchestra:chord:{group}:size", size, ex=KEEP_SECONDS)

    def arrive(self, group: str, member: str) -> bool:
        key = f"orchestra:chord:{group}"
        with self.client.pipeline() as pipe:
            pipe.sadd(key, member)
            pipe.scard(key)
            pipe.get(f"{key}:size")
            pipe.expire(key, KEEP_SECONDS)
            is_new, arrived, size, _expires = pipe.execute()
        return bool(is_new) and size is not None and arrived == int(size)


class DatabaseCounters:
    """A row per member, and one with an empty member that holds the size."""

    def set_size(self, group: str, size: int) -> None:
        runtime.in_database(partial(self._set_size, group, size))

    def arrive(self, group: str, member: str) -> bool:
        return runtime.in_database(partial(self._arrive, group, member))

    @staticmethod
    def _set_size(group: str, size: int) -> None:
        CanvasPart.objects.update_or_create(group=group, member="", defaults={"size": size})

    @staticmethod
    def _arrive(group: str, member: str) -> bool:
        try:
            with transaction.atomic():
                CanvasPart.objects.create(group=group, member=member)
        except IntegrityError:
            return False
        size = CanvasPart.objects.filter(group=group, member="").values_list("size", flat=True).first()
        if size is None or CanvasPart.objects.filter(group=group).exclude(member="").count() < size:
            return False
        return bool(CanvasPart.objects.filter(group=group).delete()[0])


class CanvasBackend(Backend):  # type: ignore[misc]  # Celery is untyped
    """Implements what `chain` and `chord` need of a backend, and nothing else."""

    supports_native_join = False

    @cached_property
    def counters(self) -> Counters:
        return RedisCounters(settings.REDIS_URL) if settings.REDIS_URL else DatabaseCounters()

    def store_result(self, *_args: Any, **_options: Any) -> None:
        """Keep nothing: outcomes are rows."""

    def apply_chord(self, header_result_args: Any, body: Any, **_options: Any) -> None:
        """Prepare nothing: the size is set just before the last member is sent."""

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        self.counters.set_size(group_id, chord_size)

    def on_chord_part_return(self, request: Any, state: Any, result: Any, **_options: Any) -> None:
        if request.group and self.counters.arrive(request.group, request.id):
            maybe_signature(request.chord, app=self.app).apply_async(retry=False)

    def add_pending_result(self, result: Any, *_args: Any, **_options: Any) -> Any:
        return result

    def remove_pending_result(self, result: Any) -> Any:
        return result

    def as_uri(self, include_password: bool = True) -> str:
        return "canvas://"
