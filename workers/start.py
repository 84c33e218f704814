"""What comes before the supervisor: the checks that can stop a start, the tables, the hand-over."""

from __future__ import annotations

import os
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from orchestra import env
from workers import embedded, reach
from workers.door import open_door
from workers.layout import Options, embedded_broker
from workers.leftovers import end_leftovers
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


class Ready(NamedTuple):
    """A start that nothing stands against: what was chosen, the folder's lock, the socket that listens."""

    options: Options
    lock: int
    door: socket.socket


def prepare(given: Mapping[str, Any], *, say: Callable[[str], object]) -> Ready:
    """Check all that can stop a start, then bring the database up to date; port 0 becomes a free one.

    Raises CommandError with one sentence; nothing is started or changed before every check has passed,
    but what a killed start left alive is ended.
    """
    if given["workers"] < 0:
        raise CommandError(_("--workers needs 0 or more."), returncode=2)
    options = Options(host=given["host"], port=given["port"], workers=given["workers"])
    folder, lock = take_folder(options)
    end_leftovers(folder, embedded_broker(settings.VAR_DIR.resolve()), say=say)
    door = listen(options.host, options.port)
    options = options._replace(port=door.getsockname()[1])
    folder.tell(lock, options.url)
    if settings.IS_EMBEDDED:
        check_embedded()
    for problem in reach.problems(with_broker=not settings.IS_EMBEDDED):
        raise CommandError(problem)
    migrate(say)
    return Ready(options, lock, door)


def take_folder(options: Options) -> tuple[RunFolder, int]:
    """Return the run folder and its lock. Raises CommandError when it is held or cannot be written."""
    try:
        folder = RunFolder(settings.VAR_DIR.resolve())
        return folder, folder.lock(options.url)
    except AlreadyRunning as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            _("%(folder)s cannot be written: %(reason)s. Set ORCHESTRA_VAR to another folder.")
            % {"folder": settings.VAR_DIR, "reason": error.strerror}
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """Return the socket that listens. Raises CommandError when that cannot be."""
    try:
        return open_door(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error).removeprefix("bind(): ").rstrip(".")
        values = {"host": host, "port": port, "reason": reason}
        raise CommandError(
            _("Cannot listen on %(host)s port %(port)s: %(reason)s. Choose another with --port or PORT.")
            % values
        ) from error


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


def become_supervisor(ready: Ready, then: Sequence[str] = ()) -> None:
    """Replace this process by the supervisor, which inherits lock and socket and starts `then` at the end."""
    options = ready.options
    os.set_inheritable(ready.lock, True)
    ready.door.set_inheritable(True)
    os.environ["ORCHESTRA_VAR"] = str(settings.VAR_DIR.resolve())
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(env.ROOT), os.environ.get("PYTHONPATH"))))
    words = ["--host", options.host, "--port", str(options.port), "--workers", str(options.workers)]
    words += ["--lock-fd", str(ready.lock), "--listen-fd", str(ready.door.fileno())]
    words += ["--", *then] if then else []
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers.supervise", *words])  # noqa: S606 (no shell is wanted)
