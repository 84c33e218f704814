"""`manage.py up`: what can be wrong before a start is one clear sentence and exit 1, and nothing half-done."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house.conftest import Installation
from workers.layout import Options
from workers.rundir import RunFolder, birth


@pytest.fixture
def up(tmp_path: Path) -> Any:
    """Return a function that runs `manage.py up` on an empty data folder until it ends."""

    def run(*words: str, **environment: str) -> tuple[int, str]:
        services = dict.fromkeys(("DATABASE_URL", "BROKER_URL", "REDIS_URL"), "")
        bare = {"DJANGO_SETTINGS_MODULE": "orchestra.settings", **services}
        installation = Installation(tmp_path, ["manage.py", "up", *words], **{**bare, **environment})
        try:
            return installation.process.wait(60), installation.said()
        finally:
            installation.destroy()

    return run


def test_a_port_in_use_is_refused(up: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]

        code, said = up("--port", str(port))

    assert code == 1
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use. Choose another" in said


def test_a_port_that_a_killed_start_left_in_use_is_taken_back(up: Any, tmp_path: Path) -> None:
    listening = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); input()"
    )
    words = [sys.executable, "-u", "-c", listening]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as left:
        port = left.stdout.readline().decode().strip()
        web = {"name": "web", "pid": left.pid, "born": birth(left.pid)}
        RunFolder(tmp_path).write_status({"processes": [web]})

        code, said = up("--port", port, BROKER_URL="redis://127.0.0.1:9/0")

        assert left.wait(30) == -signal.SIGTERM
    assert code == 1
    assert "BROKER_URL: nothing usable answers" in said
    assert "Cannot listen" not in said


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (
            ["--port", "99999"],
            1,
            "Cannot listen on 127.0.0.1 port 99999: port must be 0-65535. Choose another",
        ),
        (["--workers", "-1"], 2, "--workers needs 0 or more."),
    ],
)
def test_a_number_that_makes_no_sense_is_one_sentence(
    up: Any, words: list[str], code: int, complaint: str
) -> None:
    ended, said = up(*words)

    assert ended == code
    assert complaint in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://someone:hidden@127.0.0.1:9/none"),
        ("BROKER_URL", "redis://:hidden@127.0.0.1:9/0"),
        ("BROKER_URL", "amqp://someone:hidden@127.0.0.1:9//"),
    ],
)
def test_a_service_that_does_not_answer_is_one_sentence_without_its_password(
    up: Any, name: str, url: str
) -> None:
    code, said = up("--port", "0", **{"DATABASE_URL": "", name: url})

    assert code == 1
    assert f"{name}: nothing usable answers at 127.0.0.1:9" in said
    assert "hidden" not in said
    assert "Traceback" not in said


def test_a_data_folder_that_cannot_be_made_is_refused(up: Any) -> None:
    code, said = up("--port", "0", ORCHESTRA_VAR="/dev/null/data")

    assert code == 1
    assert "/dev/null/data cannot be made: Not a directory. Set ORCHESTRA_VAR to a writable folder." in said
    assert "Traceback" not in said


def test_a_value_of_the_environment_that_makes_no_sense_is_named(up: Any) -> None:
    code, said = up(BROKER_URL="kafka://127.0.0.1")

    assert code == 1
    assert "BROKER_URL must start with one of redis://" in said
    assert "Traceback" not in said


def test_status_of_nothing_says_so_in_json_too(up: Any) -> None:
    code, said = up("--status", "--json")

    assert code == 1
    assert json.loads(said) == {"running": False}


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:80/"), ("::", "http://[::1]:80/"), ("::1", "http://[::1]:80/")],
)
def test_the_address_shown_is_one_that_a_browser_here_can_open(host: str, url: str) -> None:
    assert Options(host=host, port=80).url == url
