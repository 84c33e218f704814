"""The supervisor of an installation on one machine: starts broker, web and workers and keeps them alive.

Standard library only and small, because it lives as long as they do. `python manage.py up` checks what
can be checked, then becomes this process.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from orchestra import env
from workers import embedded
from workers.children import Child, GaveUp, describe
from workers.door import open_door
from workers.layout import QUEUES, Layout, Options, drivers, embedded_broker, make_layout
from workers.leftovers import end_leftovers
from workers.rundir import AlreadyRunning, RunFolder, birth

GRACE_SECONDS = 10.0
ANSWER_SECONDS = 0.5
START_SECONDS = 120.0
ECHO_SECONDS = 1.0
"""A second signal sooner than this is the first one, passed on by a parent such as make."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs one layout until it is told to stop or a process cannot be kept alive."""

    def __init__(self, layout: Layout, options: Options, folder: RunFolder) -> None:
        self.layout = layout
        self.options = options
        self.folder = folder
        self.is_stopping = False
        self.is_ready = False
        self._told_at = 0.0
        self._patience = GRACE_SECONDS
        self._last_look = 0.0
        self._wake_in, self._wake_out = os.pipe()

    def run(self) -> int:
        """Start everything, look after it, stop it; return the exit code."""
        self._listen_for_signals()
        code = 0
        try:
            self._start()
            while not self.is_stopping:
                self._pause(1.0)
                self._look_after()
        except GaveUp as reason:
            say(str(reason))
            code = 1
        finally:
            self._stop()
            for number in STOP_SIGNALS:  # everything has ended: nothing is left that a signal could hurry
                signal.signal(number, signal.SIG_IGN)
        return code

    # Starting -----------------------------------------------------------------------------------

    def _start(self) -> None:
        broker = self.layout.broker
        if broker:
            self._launch(broker)
            self._await(broker, lambda: embedded.answers(self.layout.socket))
        for child in self.layout.serving:
            if not self.is_stopping:
                self._launch(child)
        self._await(self.layout.web, lambda: answers_http(self.options.host, self.options.port))
        if self.is_stopping:
            return
        self.is_ready = True
        self._write_status()
        logs = self.layout.web.log.parent
        say(f"Orchestra is ready at {self.options.url}  (Ctrl-C stops it; logs are in {logs})")
        if self.layout.guest:
            self._launch(self.layout.guest)

    def _launch(self, child: Child) -> None:
        child.start()
        with suppress(OSError):  # a full disk is no reason to stop serving
            self.folder.write_pid(child.name, child.pid)
        self._write_status()

    def _await(self, child: Child, is_there: Callable[[], bool]) -> None:
        """Wait until a child does its work. Raises GaveUp when it ends first or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_stopping and not is_there():
            code = child.ended()
            if code is not None:
                raise GaveUp(child.epitaph(code, "did not start"))
            if time.monotonic() > deadline:
                raise GaveUp(
                    f"{child.name} did not answer within {START_SECONDS:.0f} s; its log: {child.log}"
                )
            self._pause(0.05)

    # Looking after ------------------------------------------------------------------------------

    def _look_after(self) -> None:
        if self.is_stopping:
            return
        for child in self._restartable():
            code = child.ended()
            if code is not None:
                self._note_death(child, code)
            elif child.restart_at is not None and time.monotonic() >= child.restart_at:
                self._launch(child)
        guest = self.layout.guest
        if guest and guest.ended() is not None:
            self.folder.remove_pid(guest.name)
            self._write_status()
        if time.monotonic() - self._last_look > 1.0:
            self._last_look = time.monotonic()
            self._show_alarms()

    def _note_death(self, child: Child, code: int) -> None:
        child.kill()
        self.folder.remove_pid(child.name)
        pause = child.plan_restart(code)
        say(
            f"{child.name} ended ({describe(code)}); it is started again in {pause:g} s. Its log: {child.log}"
        )
        self._write_status()

    def _show_alarms(self) -> None:
        for child in self.layout.serving:
            child.shorten_log()
            for line in child.new_alarms():
                say(f"{child.name}: {line}")

    # Stopping -----------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop web, workers and guest together, then the broker; nothing is left behind."""
        self.is_stopping = True
        if self.layout.door:
            self.layout.door.close()
        guest = (self.layout.guest,) if self.layout.guest else ()
        self._end([*guest, *self.layout.serving])
        if self.layout.broker:
            self._end([self.layout.broker])
        self.folder.clear()

    def _end(self, children: Sequence[Child]) -> None:
        for child in children:
            child.terminate()
        since = time.monotonic()
        while any(child.pid and child.ended() is None for child in children):
            if time.monotonic() > since + self._patience:
                break
            self._pause(0.05)
        for child in children:
            if child.pid and child.ended() is None:
                say(f"{child.name} did not end in time and is killed.")
            child.kill()
            if child.process:
                child.process.wait()

    # Odds and ends ------------------------------------------------------------------------------

    def _restartable(self) -> list[Child]:
        return [*((self.layout.broker,) if self.layout.broker else ()), *self.layout.serving]

    def _listen_for_signals(self) -> None:
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop_signal)

    def _on_stop_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self.is_stopping:
            self._told_at = time.monotonic()
            say("Stopping … (work in progress is kept and goes on at the next start)")
        elif time.monotonic() > self._told_at + ECHO_SECONDS:
            self._patience = 0.0
        self.is_stopping = True

    def _pause(self, seconds: float) -> None:
        """Sleep, but wake as soon as a child ends or a signal comes, and in time for a due restart."""
        due = [child.restart_at for child in self._restartable() if child.restart_at is not None]
        until_due = max(0.0, min(due) - time.monotonic()) if due and not self.is_stopping else seconds
        ready, _, _ = select.select([self._wake_in], [], [], min(seconds, until_due))
        if ready:
            with suppress(BlockingIOError):
                os.read(self._wake_in, 4096)

    def _write_status(self) -> None:
        guest = (self.layout.guest,) if self.layout.guest else ()
        with suppress(OSError):
            self.folder.write_status(self._status([*self._restartable(), *guest]))

    def _status(self, children: Sequence[Child]) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "ready": self.is_ready,
            "url": self.options.url,
            "host": self.options.host,
            "ports": {"web": self.options.port},
            "queues": list(QUEUES) if self.layout.workers else [],
            "drivers": drivers(),
            "processes": [
                {"name": child.name, "pid": child.pid, "born": birth(child.pid), "restarts": child.restarts}
                for child in children
                if child.pid
            ],
        }


def answers_http(host: str, port: int) -> bool:
    """Say whether a web server answers `/health` at this port."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host).strip("[]")  # noqa: S104 (compared, not bound)
    try:
        with socket.create_connection((name, port), timeout=ANSWER_SECONDS) as link:
            link.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return link.recv(12).startswith(b"HTTP/")
    except OSError:
        return False


def say(text: str) -> None:
    """Write one message to the terminal; a closed terminal is no reason to stop."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the installation that the arguments describe; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers.supervise", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lock-fd", type=int, help="descriptor that holds the lock already")
    parser.add_argument("--listen-fd", type=int, help="descriptor that listens at the port already")
    parser.add_argument("then", nargs="*", help="arguments of Python for a process started at the end")
    given = parser.parse_args(arguments)
    options = Options(given.host, given.port, given.workers, tuple(given.then))
    try:
        var = env.var_folder().resolve()
        folder = RunFolder(var)
        lock = given.lock_fd if given.lock_fd is not None else folder.lock(options.url)
        os.set_inheritable(lock, False)
        end_leftovers(folder, embedded_broker(var), say=say)
        door = (
            open_door(given.host, given.port)
            if given.listen_fd is None
            else socket.socket(fileno=given.listen_fd)
        )
        door.set_inheritable(False)
        return Supervisor(make_layout(options, var, door), options, folder).run()
    except (AlreadyRunning, env.BadEnvironment, embedded.NoServer, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
