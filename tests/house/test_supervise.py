"""The supervisor, with stand-ins for web and worker: it starts, restarts, gives up and stops as it says."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

from tests.house.conftest import is_alive, wait_until


def test_everything_starts_and_a_term_signal_stops_it_without_leftovers(install: Any) -> None:
    installation = install().wait_until_ready()
    pids = [installation.pid_of("web"), installation.pid_of("worker1")]

    code = installation.stop()

    assert code == 0
    assert not any(is_alive(pid) for pid in pids)
    assert not list((installation.var / "run").glob("*.pid"))
    assert "Orchestra is ready at http://127.0.0.1:" in installation.said()


def test_ctrl_c_reaches_the_supervisor_only_and_ends_cleanly(install: Any) -> None:
    installation = install().wait_until_ready()
    groups = {os.getpgid(installation.pid_of(name)) for name in ("web", "worker1")}

    code = installation.stop(signal.SIGINT)

    assert os.getpgid(0) not in groups
    assert installation.process.pid not in groups
    assert code == 0


def test_a_killed_worker_is_started_again_within_five_seconds(install: Any) -> None:
    installation = install().wait_until_ready()
    first = installation.pid_of("worker1")

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: installation.status()["processes"][-1]["restarts"] == 1, installation.said)
    second = installation.pid_of("worker1")
    assert second != first
    assert is_alive(second)
    assert "worker1 ended (killed by signal 9)" in installation.said()


def test_a_worker_that_dies_in_a_loop_ends_the_installation_with_the_reason(install: Any) -> None:
    installation = install(worker="dies")

    code = installation.process.wait(60)

    assert code == 1
    assert "worker1 ended 6 times within a minute (exit code 1)" in installation.said()
    assert "no memory left" in installation.said()
    assert not list((installation.var / "run").glob("*.pid"))


def test_a_web_server_that_cannot_start_is_reported_at_once_with_its_last_words(install: Any) -> None:
    installation = install(web="broken")

    code = installation.process.wait(60)

    assert code == 1
    assert "web did not start (exit code 1)" in installation.said()
    assert "the settings are wrong" in installation.said()


def test_a_second_start_beside_the_first_is_refused_with_pid_and_address(install: Any, port: int) -> None:
    first = install().wait_until_ready()

    second = install()

    assert second.process.wait(30) == 1
    assert (
        f"already running on {first.var} (pid {first.process.pid}, http://127.0.0.1:{port}/)" in second.said()
    )
    assert first.process.poll() is None


def test_a_start_after_a_killed_supervisor_ends_what_it_left_behind(install: Any) -> None:
    killed = install().wait_until_ready()
    orphans = [killed.pid_of("web"), killed.pid_of("worker1")]
    killed.stop(signal.SIGKILL)
    assert all(is_alive(pid) for pid in orphans)

    successor = install()

    wait_until(lambda: not any(is_alive(pid) for pid in orphans), successor.said)
    successor.wait_until_ready()
    assert successor.pid_of("web") not in orphans


def test_who_comes_while_the_web_server_is_started_again_is_answered(install: Any, port: int) -> None:
    installation = install().wait_until_ready()
    web = installation.pid_of("web")
    os.kill(web, signal.SIGKILL)
    wait_until(lambda: not is_alive(web))

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        status = answer.status

    assert status == 200
    assert installation.pid_of("web") != web


def test_a_worker_deaf_to_the_polite_signal_is_killed_when_asked_twice(install: Any) -> None:
    installation = install(worker="deaf").wait_until_ready()
    worker = installation.pid_of("worker1")
    log = installation.var / "log" / "worker1.log"
    wait_until(lambda: "deaf" in log.read_text())

    def ask_again() -> bool:
        installation.process.send_signal(signal.SIGTERM)
        return installation.process.poll() is not None

    wait_until(ask_again, installation.said)

    assert installation.process.returncode == 0
    assert not is_alive(worker)
    assert "worker1 did not end in time and is killed" in installation.said()


def test_a_signal_passed_on_twice_by_a_parent_is_one_signal(install: Any) -> None:
    installation = install(worker="slow").wait_until_ready()

    installation.process.send_signal(signal.SIGTERM)
    code = installation.stop()

    assert code == 0
    assert "goodbye" in (installation.var / "log" / "worker1.log").read_text()
    assert "is killed" not in installation.said()


def test_an_error_in_a_log_is_shown_on_the_terminal(install: Any) -> None:
    installation = install(worker="alarm").wait_until_ready()

    wait_until(lambda: "disk on fire" in installation.said(), installation.said)

    assert 'worker1: level=error event="disk on fire"' in installation.said()


def test_the_supervisor_stays_small(install: Any) -> None:
    installation = install().wait_until_ready()

    pages = int(Path(f"/proc/{installation.process.pid}/statm").read_text().split()[1])

    assert pages * os.sysconf("SC_PAGE_SIZE") < 20 * 1024 * 1024
