"""What `manage.py doctor` looks at: drivers, services, tables, workers, queues, secrets, disk."""

from __future__ import annotations

import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.agents.crypto import UnreadableSecret, decrypt
from apps.agents.models import Connection
from apps.runs import figures
from orchestra import env, health
from orchestra.engine import plugins
from orchestra.tools import functions
from workers import embedded, layout, reach
from workers.rundir import RunFolder
from workers.upkeep import is_kept_up

PACKAGES = ("django", "celery", "kombu", "channels", "daphne", "redis", "psycopg")
LITTLE_DISK = 500 * 1024 * 1024
LATE_SECONDS = 60

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `hint` says what to do when it is not well."""

    name: str
    status: Status
    detail: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; what reads the database is left out while it or its tables are missing."""
    found = [finding for look in OUTSIDE for finding in look()]
    if not any(finding.name == "database" and finding.status == "problem" for finding in found):
        tables = _tables()
        found.append(tables)
        if tables.status == "ok":
            found += [finding for look in INSIDE for finding in look()]
    return found


def versions() -> dict[str, str]:
    """Return the versions that matter in a report of a fault."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def has_worker(name: str) -> bool:
    """Say whether a worker whose name starts so holds its lease (the containers' health check)."""
    return any(worker.is_alive and worker.name.startswith(name) for worker in figures.workers())


def _folder() -> Iterator[Finding]:
    free = shutil.disk_usage(settings.VAR_DIR).free
    detail = _("%(folder)s, %(free)s MB free") % {"folder": settings.VAR_DIR, "free": free // 1024**2}
    hint = _("Free some space: runs, artifacts and the embedded broker write there.")
    yield Finding("data folder", "problem" if free < LITTLE_DISK else "ok", detail, hint)


def _secrets() -> Iterator[Finding]:
    for name in ("SECRET_KEY", "FIELD_KEYS"):
        path = settings.VAR_DIR / name.lower()
        if env.text(name):
            yield Finding(name, "ok", _("from the environment"))
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            hint = _("Make it private: chmod 600 %(path)s") % {"path": path}
            yield Finding(name, "problem", _("others can read %(path)s") % {"path": path}, hint)
        else:
            yield Finding(name, "ok", _("kept in %(path)s; back it up") % {"path": path})


def _settings() -> Iterator[Finding]:
    if settings.DEBUG:
        hint = _("Unset DEBUG wherever others can reach this installation.")
        yield Finding("DEBUG", "note", _("on: error pages show the inside"), hint)
    if not settings.REDIS_URL:
        hint = _("Set REDIS_URL: without it, pages do not see what other processes do until they reload.")
        yield Finding("REDIS_URL", "problem", _("not set, and the broker is not Redis"), hint)
    if not settings.IS_EMBEDDED and connection.vendor == "sqlite":
        hint = _("Set DATABASE_URL=postgres://… before workers run on other machines.")
        yield Finding("DATABASE_URL", "note", _("SQLite: every process must be on this machine"), hint)


def _functions() -> Iterator[Finding]:
    try:
        functions.load(["orchestra.tools.builtin", *settings.ORCHESTRA_FUNCTIONS])
    except Exception as error:
        hint = _("Correct ORCHESTRA_FUNCTIONS: modules, separated by commas, that can be imported.")
        yield Finding("functions", "problem", reach.reason(error), hint)
    else:
        yield Finding("functions", "ok", _("%(count)s registered") % {"count": len(functions.registry())})


def _plugins() -> Iterator[Finding]:
    for plugin in plugins.load():
        detail = f"{plugin.package} {plugin.version}: {plugin.problem or plugin.kind}"
        hint = _("Mend or remove the package; until then its kind is missing and all else works.")
        status: Status = "note" if plugin.problem else "ok"
        yield Finding(f"plug-in {plugin.name}", status, detail, hint if plugin.problem else "")


def _embedded() -> Iterator[Finding]:
    if not settings.IS_EMBEDDED:
        return
    try:
        yield Finding("embedded broker", "ok", str(embedded.find_server()))
    except embedded.NoServer as error:
        yield Finding("embedded broker", "problem", _("no server found"), str(error))


def _services() -> Iterator[Finding]:
    checks = {"database": ("DATABASE_URL", health.ask_database)}
    if not settings.IS_EMBEDDED or is_running():
        checks["broker"] = ("BROKER_URL", health.ask_broker)
        if settings.REDIS_URL:
            checks["redis"] = ("REDIS_URL", health.ask_cache)
    drivers = layout.drivers()
    for name, (variable, ask) in checks.items():
        detail = f"{drivers[name]}, {reach.place(variable)}"
        try:
            ask()
        except Exception as error:
            hint = _("Start it, or correct %(name)s.") % {"name": variable}
            yield Finding(name, "problem", f"{detail}: {reach.reason(error)}", hint)
        else:
            yield Finding(name, "ok", detail)


def _tables() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        detail = _("%(count)s migrations are missing") % {"count": len(missing)}
        return Finding("tables", "problem", detail, _("Run: manage.py migrate (manage.py up does it too)"))
    return Finding("tables", "ok", _("up to date"))


def _connections() -> Iterator[Finding]:
    lost: list[str] = []
    rows = list(Connection.objects.exclude(secret=""))
    for row in rows:
        try:
            decrypt(row.secret, row=row.pk, field="secret")
        except UnreadableSecret:
            lost.append(row.slug)
    if lost:
        hint = _("Put the old key back into FIELD_KEYS, or enter these secrets again.")
        detail = _("unreadable: %(names)s") % {"names": ", ".join(lost)}
        yield Finding("connections' secrets", "problem", detail, hint)
    elif rows:
        yield Finding("connections' secrets", "ok", _("%(count)s readable") % {"count": len(rows)})


def _workers() -> Iterator[Finding]:
    alive = [worker for worker in figures.workers() if worker.is_alive]
    if not is_running() and settings.IS_EMBEDDED:
        yield Finding("workers", "note", _("Orchestra is not running here"), _("Start it: manage.py up"))
        return
    served = {queue for worker in alive for queue in worker.queues}
    missing = [queue for queue in layout.QUEUES if queue not in served]
    hint = _("Start a worker for them: manage.py up, or the Procfile's worker processes.")
    if missing:
        yield Finding(
            "workers", "problem", _("nobody serves %(queues)s") % {"queues": ", ".join(missing)}, hint
        )
    else:
        slots = sum(worker.slots for worker in alive)
        detail = _("%(count)s alive, %(slots)s slots") % {"count": len(alive), "slots": slots}
        yield Finding("workers", "ok", detail)
    if not is_kept_up():
        hint = _("Start one: the Procfile's beat, or ORCHESTRA_UPKEEP=1 on a worker.")
        yield Finding("upkeep", "problem", _("nobody rescues what a lost worker held"), hint)


def _queues() -> Iterator[Finding]:
    for queue in figures.queues():
        detail = _("%(queued)s waiting, %(running)s running") % {
            "queued": queue.queued,
            "running": queue.running,
        }
        waits = (timezone.now() - queue.oldest_queued_at).total_seconds() if queue.oldest_queued_at else 0
        if waits > LATE_SECONDS:
            detail += _(", the oldest for %(seconds)s s") % {"seconds": int(waits)}
        hint = _("Start more workers for this queue.")
        yield Finding(f"queue {queue.name}", "note" if waits > LATE_SECONDS else "ok", detail, hint)


OUTSIDE: tuple[Callable[[], Iterator[Finding]], ...] = (
    _folder,
    _secrets,
    _settings,
    _functions,
    _plugins,
    _embedded,
    _services,
)
INSIDE: tuple[Callable[[], Iterator[Finding]], ...] = (_connections, _workers, _queues)


def is_running() -> bool:
    """Say whether an embedded installation runs on this data folder."""
    return RunFolder(settings.VAR_DIR).is_locked()


def report() -> dict[str, Any]:
    """Return everything as JSON."""
    found = examine()
    return {
        "healthy": all(finding.status != "problem" for finding in found),
        "drivers": layout.drivers(),
        "versions": versions(),
        "findings": [finding.as_json() for finding in found],
    }
