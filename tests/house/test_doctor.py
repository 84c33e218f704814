"""`manage.py doctor`: each thing that can be wrong is found, named and comes with what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.accounts.models import Team
from apps.agents.models import Connection
from apps.runs.actions import start_run
from apps.runs.models import Worker
from workers import doctor
from workers.upkeep import Upkeep

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the installation a data folder of its own, with private secrets.

    The probe of the database closes its connection, which would end the test's transaction.
    """
    monkeypatch.setattr(doctor.health, "ask_database", lambda: None)
    for name in ("secret_key", "field_keys"):
        (tmp_path / name).write_text("x" * 50)
        (tmp_path / name).chmod(0o600)
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def serving() -> Any:
    """Return a function that makes living workers for queues."""

    def serve(*queues: str, name: str = "host-1-abc", **fields: Any) -> Worker:
        return Worker.objects.create(
            name=name, queues=",".join(queues), pool="pool", slots=10, version="1", **fields
        )

    return serve


def finding(name: str) -> doctor.Finding:
    return next(found for found in doctor.examine() if found.name == name)


def test_queues_that_nobody_serves_are_a_problem(settings: Any, serving: Any) -> None:
    settings.IS_EMBEDDED = False
    serving("llm", "io")

    found = finding("workers")

    assert found.status == "problem"
    assert "cpu, control" in found.detail


def test_workers_and_upkeep_alive_are_well(settings: Any, serving: Any) -> None:
    settings.IS_EMBEDDED = False
    serving("llm", "io", "cpu", "control")
    Upkeep().tick()

    names = {found.name: found.status for found in doctor.examine()}

    assert names["workers"] == "ok"
    assert "upkeep" not in names


def test_a_missing_upkeep_is_a_problem(settings: Any, serving: Any) -> None:
    settings.IS_EMBEDDED = False
    serving("llm", "io", "cpu", "control")

    assert finding("upkeep").status == "problem"


def test_a_stopped_embedded_installation_is_no_problem(settings: Any) -> None:
    settings.IS_EMBEDDED = True

    assert finding("workers").status == "note"


def test_secrets_that_the_keys_cannot_read_are_a_problem() -> None:
    team = Team.objects.create(name="Writers", slug="writers")
    Connection.objects.create(
        team=team, slug="lost", name="Lost", dialect="openai", secret="v1.00.unreadable"
    )

    found = finding("connections' secrets")

    assert found.status == "problem"
    assert "lost" in found.detail
    assert "FIELD_KEYS" in found.hint


def test_a_secret_that_others_can_read_is_a_problem(folder: Any) -> None:
    (folder / "secret_key").chmod(0o644)

    found = finding("SECRET_KEY")

    assert found.status == "problem"
    assert "chmod 600" in found.hint


def test_functions_that_cannot_be_imported_are_a_problem(settings: Any) -> None:
    settings.ORCHESTRA_FUNCTIONS = ["no.such.module"]

    found = finding("functions")

    assert found.status == "problem"
    assert "ORCHESTRA_FUNCTIONS" in found.hint


def test_a_broker_without_redis_beside_it_is_a_problem(settings: Any) -> None:
    settings.REDIS_URL = ""

    assert finding("REDIS_URL").status == "problem"


def test_a_broker_that_does_not_answer_is_a_problem_without_its_password(settings: Any) -> None:
    settings.IS_EMBEDDED = False
    settings.REDIS_URL = "redis://:hidden@127.0.0.1:9/0"

    found = finding("redis")

    assert found.status == "problem"
    assert "127.0.0.1:9" in found.detail
    assert "hidden" not in json.dumps(found.as_json())


def test_nodes_that_wait_long_are_noted(publish_workflow: Any, editor: Any) -> None:
    definition = {
        "orchestra": 1,
        "name": "One",
        "nodes": {"one": {"kind": "transform", "settings": {"value": 1}}},
    }
    run = start_run(workflow=publish_workflow(definition), input={}, by=editor)
    run.node_runs.update(status="queued", queue="llm", queued_at=timezone.now() - timedelta(minutes=5))

    found = finding("queue llm")

    assert found.status == "note"
    assert "the oldest for 30" in found.detail


def test_the_command_exits_with_one_on_a_problem_and_says_what_to_do(settings: Any, capsys: Any) -> None:
    settings.ORCHESTRA_FUNCTIONS = ["no.such.module"]

    with pytest.raises(SystemExit) as stop:
        call_command("doctor")

    assert stop.value.code == 1
    assert "✗ functions" in capsys.readouterr().out


def test_the_containers_health_check_asks_for_one_worker(serving: Any) -> None:
    serving("llm", name="alive-1")
    serving("llm", name="silent-1", seen_at=timezone.now() - timedelta(hours=1))

    codes = {}
    for name in ("alive", "silent", "absent"):
        with pytest.raises(SystemExit) as stop:
            call_command("doctor", worker=name)
        codes[name] = stop.value.code

    assert codes == {"alive": 0, "silent": 1, "absent": 1}


def test_the_containers_health_check_asks_for_the_upkeep() -> None:
    with pytest.raises(SystemExit) as before:
        call_command("doctor", upkeep=True)
    Upkeep().tick()
    with pytest.raises(SystemExit) as after:
        call_command("doctor", upkeep=True)

    assert (before.value.code, after.value.code) == (1, 0)


def test_a_broken_plug_in_is_named_and_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        doctor.plugins.Plugin("good", "good-package", "1.0", kind="good"),
        doctor.plugins.Plugin("bad", "bad-package", "2.0", problem="ImportError: no"),
    ]
    monkeypatch.setattr(doctor.plugins, "_found", found)

    assert finding("plug-in good").status == "ok"
    bad = finding("plug-in bad")
    assert (bad.status, "bad-package" in bad.detail, "ImportError" in bad.detail) == ("note", True, True)
    assert bad.hint
