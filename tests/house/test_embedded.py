"""The embedded broker: found, started on a private socket, its data kept; and the log files of the children."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from orchestra import env
from tests.house.conftest import wait_until
from workers import children, embedded
from workers.children import Child, GaveUp


@pytest.fixture
def server(tmp_path: Path) -> Any:
    """Return a function that starts the embedded server in `tmp_path`."""
    listens_at = tmp_path / "run" / "valkey.sock"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> redis.Redis:
        embedded.prepare(listens_at, tmp_path / "valkey")
        command = embedded.command(embedded.find_server(), listens_at, tmp_path / "valkey")
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        wait_until(lambda: embedded.answers(listens_at))
        return redis.Redis.from_url(f"unix://{listens_at}")

    start.listens_at = listens_at
    start.stop = lambda: (running[-1].terminate(), running[-1].wait(20))
    yield start
    for process in running:
        process.kill()
        process.wait()


def test_what_was_queued_survives_a_restart(server: Any) -> None:
    server().rpush("llm", "one", "two")
    server.stop()

    kept = server().lrange("llm", 0, -1)

    assert kept == [b"one", b"two"]


def test_the_server_listens_on_its_private_socket_only(server: Any) -> None:
    client = server()

    port = client.config_get("port")["port"]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (server.listens_at.parent, server.listens_at)]

    assert port == "0"
    assert modes == [0o700, 0o700]


def test_a_left_over_server_ends_when_told(server: Any) -> None:
    server()

    embedded.shut_down(server.listens_at)

    wait_until(lambda: not embedded.answers(server.listens_at))


def test_without_any_server_one_sentence_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(embedded.NoServer, match=r"apt install valkey-server .* or set BROKER_URL"):
        embedded.find_server()


def test_a_server_on_the_path_is_used_where_there_is_no_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "redis-server"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded.find_server() == binary


def test_the_socket_lies_in_the_data_folder_when_its_path_fits(tmp_path: Path) -> None:
    assert env.embedded_socket(tmp_path) == tmp_path.resolve() / "run" / "valkey.sock"


@pytest.mark.parametrize("name", ["x" * 120, "My Projects", "100%", "数据"])
def test_the_socket_moves_to_a_short_private_path_when_the_data_folder_does_not_suit(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()

    chosen = env.embedded_socket(folder)

    assert chosen == env.embedded_socket(folder)
    assert chosen != env.embedded_socket(tmp_path / f"{name}2")
    assert chosen.parent.parent == Path("/tmp")  # noqa: S108 (compared, not written)
    assert len(str(chosen)) <= env.SOCKET_PATH_LIMIT


def test_a_socket_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded.os, "getuid", lambda: 4242)

    with pytest.raises(embedded.NoServer, match="belongs to another user"):
        embedded.prepare(tmp_path / "run" / "valkey.sock", tmp_path / "valkey")


def test_a_long_log_is_moved_aside_and_its_writer_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(children, "LOG_LIMIT", 100)
    code = "import sys; [print('x' * 200, flush=True), sys.stdin.readline()]"
    child = Child("web", [sys.executable, "-c", code], {}, tmp_path / "web.log")
    child.start()
    wait_until(lambda: child.log.stat().st_size > 100)

    child.shorten_log()

    assert child.log.stat().st_size == 0
    assert (tmp_path / "web.1.log").read_text().strip() == "x" * 200
    child.kill()


def test_restarts_pause_longer_each_time_until_the_child_is_given_up(tmp_path: Path) -> None:
    child = Child("worker1", [], {}, tmp_path / "worker1.log")

    pauses = [child.plan_restart(1) for _ in children.PAUSES]

    assert pauses == sorted(pauses)
    with pytest.raises(GaveUp, match="ended 6 times within a minute"):
        child.plan_restart(1)
