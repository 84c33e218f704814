"""Probes and figures for machines: is the process alive, can it serve, how busy is it."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import prometheus_client
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import multiprocess

from orchestra.metrics import INSTALLATION

PATIENCE_SECONDS = 3.0
"""How long a dependency may take to answer before it counts as missing."""
KEPT_SECONDS = 1.0
"""How long an answer is kept, so that asking often costs nothing."""
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

Probe = Callable[[], None]


class Readiness:
    """Asks every dependency at the same time; one that hangs holds one thread and counts as missing."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = dict(probes)
        self._pool = ThreadPoolExecutor(max_workers=len(probes) or 1, thread_name_prefix="ready")
        self._asked: dict[str, Future[None]] = {}
        self._answer: tuple[float, dict[str, bool]] = (-KEPT_SECONDS, {})

    def check(self) -> dict[str, bool]:
        """Return which dependencies answer, by name."""
        made_at, answer = self._answer
        if time.monotonic() - made_at < KEPT_SECONDS:
            return answer
        for name, probe in self._probes.items():
            before = self._asked.get(name)
            if before is None or before.done():
                self._asked[name] = self._pool.submit(probe)
        wait(list(self._asked.values()), timeout=PATIENCE_SECONDS)
        answer = {name: _is_good(future) for name, future in self._asked.items()}
        self._answer = (time.monotonic(), answer)
        return answer


def _is_good(future: Future[None]) -> bool:
    return future.done() and future.exception() is None


def ask_database() -> None:
    """Raise when the database does not answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


class MissingMigrations(Exception):
    """The database lacks migrations of this release."""


class AskMigrations:
    """Raise while migrations are missing; once they are there, they stay."""

    def __init__(self) -> None:
        self._are_applied = False

    def __call__(self) -> None:
        if self._are_applied:
            return
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                raise MissingMigrations
        finally:
            connection.close()
        self._are_applied = True


def ask_cache() -> None:
    """Raise when Redis (cache, channel layer, limits) does not answer."""
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
    ) as client:
        client.ping()


def ask_broker() -> None:
    """Raise when the broker does not answer."""
    from orchestra.celery import app

    with app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=PATIENCE_SECONDS)


def probes() -> dict[str, Probe]:
    """Return what this installation depends on."""
    found: dict[str, Probe] = {"database": ask_database, "migrations": AskMigrations(), "broker": ask_broker}
    if settings.REDIS_URL:
        found["cache"] = ask_cache
    return found


READINESS = Readiness(probes())


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say that the process is alive; touches nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether every dependency answers: 200, or 503 while one is missing. No versions, no ids."""
    answer = READINESS.check()
    is_ready = all(answer.values())
    body = {
        "status": "ready" if is_ready else "not_ready",
        "checks": {name: "ok" if is_good else "missing" for name, is_good in answer.items()},
    }
    response = JsonResponse(body, status=200 if is_ready else 503)
    if not is_ready:
        response["Retry-After"] = "5"
    return response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus, when it asks from this machine or with the token; everybody else gets 404."""
    if not may_read_metrics(request):
        return HttpResponse(status=404)
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        forget_the_dead(Path(folder))
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
    else:
        registry = prometheus_client.REGISTRY
    body = prometheus_client.generate_latest(registry) + prometheus_client.generate_latest(INSTALLATION)
    return HttpResponse(body, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def forget_the_dead(folder: Path) -> None:
    """Remove what processes that have ended left of figures that only the living have."""
    for left in folder.glob("gauge_live*_*.db"):
        pid = left.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            left.unlink(missing_ok=True)


def may_read_metrics(request: HttpRequest) -> bool:
    """Say whether a request bears the metrics token, or comes from this machine and through no proxy."""
    token = settings.ORCHESTRA_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if token and constant_time_compare(given, f"Bearer {token}"):
        return True
    if settings.ALLAUTH_TRUSTED_PROXY_COUNT or any(name in request.META for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
