"""The short form of `make faults`: real processes, PostgreSQL and Redis of one's own, killed, frozen and flushed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.browser.product import ROOT
from tests.faults.real.services import find_missing
from tests.needs import need

DRIVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "ORCHESTRA_TEST_VAR", "DJANGO_SETTINGS_MODULE")


@pytest.mark.timeout(400)
def test_runs_survive_what_befalls_their_processes() -> None:
    missing = find_missing()
    need(not missing, missing)
    environment = {name: value for name, value in os.environ.items() if name not in DRIVERS}

    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.run", "--short"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Everything held." in done.stdout
