"""What comes before the supervisor: the checks that can stop a start, the tables, the hand-over."""

from __future__ import annotations

import os
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from orchestra import env
from workers import embedded, reach
from workers.layout import Options
from workers.rundir import AlreadyRunning, RunFolder


def add_options(parser: ArgumentParser) -> None:
    """Add what a person may choose about a start."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=env.number("PORT", 8000), help="port (default: PORT, or 8000; 0: any)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=env.number("ORCHESTRA_WORKERS", 1),
        help="worker processes; each runs many nodes at once (default: ORCHESTRA_WORKERS, or 1)",
    )


def options_from(given: Mapping[str, Any]) -> Options:
    """Return what was chosen; port 0 becomes a free one. Raises CommandError for what makes no sense."""
    if given["workers"] < 0:
        raise CommandError(_("--workers needs 0 or more."), returncode=2)
    port = given["port"] or check_port(given["host"], 0)
    return Options(host=given["host"], port=port, workers=given["workers"])


def prepare(options: Options, *, say: Callable[[str], object]) -> int:
    """Check all that can stop a start, then bring the database up to date; return the lock's descriptor.

    Raises CommandError with one sentence; nothing is started or changed before every check has passed.
    """
    try:
        folder = RunFolder(settings.VAR_DIR.resolve())
        lock = folder.lock(options.url)
    except AlreadyRunning as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            _("%(folder)s cannot be written: %(reason)s. Set ORCHESTRA_VAR to another folder.")
            % {"folder": settings.VAR_DIR, "reason": error.strerror}
        ) from error
    check_port(options.host, options.port)
    if settings.IS_EMBEDDED:
        check_embedded()
    for problem in reach.problems(with_broker=not settings.IS_EMBEDDED):
        raise CommandError(problem)
    migrate(say)
    return lock


def check_port(host: str, port: int) -> int:
    """Return the port, a free one for 0. Raises CommandError when it cannot be listened on."""
    try:
        with _bind(host, port) as listener:
            return int(listener.getsockname()[1])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error).removeprefix("bind(): ").rstrip(".")
        values = {"host": host, "port": port, "reason": reason}
        raise CommandError(
            _("Cannot listen on %(host)s port %(port)s: %(reason)s. Choose another with --port or PORT.")
            % values
        ) from error


def _bind(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((name, port))
        listener.listen(1)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def check_embedded() -> None:
    """Raise CommandError when the embedded broker has no binary here."""
    try:
        embedded.find_server()
    except embedded.NoServer as error:
        raise CommandError(str(error)) from error


def migrate(say: Callable[[str], object]) -> None:
    """Bring the database's tables up to date, with a word when there is something to do."""
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        say(_("Preparing the database: %(count)s migrations …") % {"count": len(pending)})
        call_command("migrate", interactive=False, verbosity=0)
    connection.close()


def become_supervisor(options: Options, lock: int) -> None:
    """Replace this process by the supervisor, which inherits the lock."""
    os.set_inheritable(lock, True)
    os.environ["ORCHESTRA_VAR"] = str(settings.VAR_DIR.resolve())
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(env.ROOT), os.environ.get("PYTHONPATH"))))
    words = ["--host", options.host, "--port", str(options.port), "--workers", str(options.workers)]
    words += ["--lock-fd", str(lock), *(("--", *options.then) if options.then else ())]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers.supervise", *words])  # noqa: S606 (no shell is wanted)
