"""The compose file, the Procfile and the image: passwords required, nothing internal published, no root."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestra.celery import QUEUES
from tests.architecture.tree import text_of

PRODUCT = {"web", "worker-llm", "worker-cpu", "worker-control", "beat", "flower"}
SERVICES = {"postgres", "redis", "rabbitmq"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(text_of(Path("docker-compose.yml")))


@pytest.fixture(scope="module")
def procfile() -> dict[str, str]:
    lines = [line for line in text_of(Path("Procfile")).splitlines() if line and not line.startswith("#")]
    return {name: command.strip() for name, command in (line.split(":", 1) for line in lines)}


def test_the_compose_file_holds_the_product_and_its_services(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) >= PRODUCT | SERVICES


def test_only_the_web_port_is_published_and_on_loopback(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }

    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])


def test_data_services_are_on_a_network_without_a_way_out(compose: dict[str, Any]) -> None:
    assert compose["networks"]["backend"]["internal"] is True
    assert all(compose["services"][name]["networks"] == ["backend"] for name in SERVICES)


def test_every_service_has_a_health_check_and_data_has_a_volume(compose: dict[str, Any]) -> None:
    unchecked = [name for name, service in compose["services"].items() if "healthcheck" not in service]

    assert unchecked == []
    for name in SERVICES:
        assert compose["services"][name]["volumes"][0].split(":")[0] in compose["volumes"]


def test_every_password_and_key_of_the_compose_file_is_required() -> None:
    variables = re.findall(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", text_of(Path("docker-compose.yml")))

    secrets = {name: rule for name, rule in variables if re.search("PASSWORD|KEY", name)}
    assert set(secrets) == {
        "POSTGRES_PASSWORD",
        "RABBITMQ_PASSWORD",
        "REDIS_PASSWORD",
        "SECRET_KEY",
        "FIELD_KEYS",
    }
    assert all(rule.startswith(":?") for name, rule in variables if name in secrets)


def test_no_command_line_of_the_compose_file_carries_a_secret(compose: dict[str, Any]) -> None:
    commands = [str(service.get("command", "")) for service in compose["services"].values()]

    assert [command for command in commands if re.search(r"(?<!\$)\$\{", command)] == []


def test_the_procfile_has_a_process_for_every_part(procfile: dict[str, str]) -> None:
    assert set(procfile) == PRODUCT
    assert "daphne" in procfile["web"]
    assert "backlog=2048" in procfile["web"]


def test_the_workers_of_the_procfile_serve_every_queue_once(procfile: dict[str, str]) -> None:
    served = [
        queue
        for name, command in procfile.items()
        if name.startswith("worker-")
        for queue in re.findall(r"-Q (\S+)", command)[0].split(",")
    ]

    assert sorted(served) == sorted(QUEUES)


def test_flower_and_the_web_process_listen_on_loopback_unless_told_otherwise(
    procfile: dict[str, str],
) -> None:
    assert "--address=127.0.0.1" in procfile["flower"]
    assert "--url_prefix=flower" in procfile["flower"]
    assert "interface=${ORCHESTRA_HOST:-127.0.0.1}" in procfile["web"]


def test_procfile_and_compose_file_start_workers_alike(
    compose: dict[str, Any], procfile: dict[str, str]
) -> None:
    for name in ("worker-llm", "worker-cpu", "worker-control", "beat"):
        words = " ".join(compose["services"][name]["command"])
        given, _, command = procfile[name].partition(" python ")
        environment = dict(pair.split("=", 1) for pair in given.split())

        assert f"python {command}" == words, name
        assert environment.items() <= compose["services"][name]["environment"].items(), name


def test_the_image_is_built_in_stages_from_the_lock_and_runs_without_root() -> None:
    lines = text_of(Path("Dockerfile")).splitlines()

    assert len([line for line in lines if line.startswith("FROM ")]) == 2
    assert any("--require-hashes" in line for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER orchestra"]
