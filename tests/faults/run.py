"""`make faults`: 200 runs in flight, everything around them breaks, and a checker outside looks whether it held.

    python -m tests.faults.run [--short] [--broken] [--seed N] [--runs N]

Real processes on a PostgreSQL and a Redis of their own. Prints what was done and a table; exit code 1 when
something does not hold. `--broken`: engines that are broken on purpose instead; exit code 1 when the checker
does not notice one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.browser.product import free_port, run_command
from tests.faults.real.effects import World
from tests.faults.real.fleet import Fleet
from tests.faults.real.services import PostgreSQL, Redis, find_missing

if TYPE_CHECKING:
    from tests.faults.real.trial import Trial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="few runs, few faults, fewer processes")
    parser.add_argument(
        "--broken", action="store_true", help="see the checker notice engines that are broken"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=0)
    chosen = parser.parse_args()
    if word := find_missing():
        print(f"The fault runs cannot be made here: {word}.")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="orchestra-faults-", dir="/tmp"))
    folder.chmod(0o755)  # the cluster's own user passes through
    place = Place(folder, is_short=chosen.short or chosen.broken)
    try:
        trial = place.open(chosen.seed)
        if chosen.broken:
            return trial.run_broken()
        return trial.run(chosen.runs or (22 if chosen.short else 200), is_short=chosen.short)
    finally:
        place.close()


class Place:
    """Services, environment and processes of one fault run."""

    def __init__(self, folder: Path, *, is_short: bool) -> None:
        self.folder = folder
        self.is_short = is_short
        self.world = World()
        self.database = PostgreSQL(folder / "postgresql")
        self.broker = Redis(folder / "redis")
        self.port = free_port()
        self.fleet: Fleet | None = None
        (folder / "var").mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "ORCHESTRA_TEST_VAR"},
            "DJANGO_SETTINGS_MODULE": "orchestra.settings",
            "ORCHESTRA_VAR": str(folder / "var"),
            "DATABASE_URL": self.database.url,
            "BROKER_URL": self.broker.url,
            "REDIS_URL": self.broker.url,
            "ORCHESTRA_API_RATE": "1000000/min",
            "ORCHESTRA_FUNCTIONS": "tests.faults.real.functions",
            "ORCHESTRA_ALLOWED_HOSTS_OUT": f"127.0.0.1:{self.world.port}",
            "ORCHESTRA_LEASE_SECONDS": "8" if is_short else "20",
            "ORCHESTRA_RESCUE_SECONDS": "8" if is_short else "15",
        }

    def open(self, seed: int) -> Trial:
        """Start everything and publish the workflows."""
        started = time.monotonic()
        self.database.start()
        self.database.create()
        self.broker.start()
        run_command(self.environment, "migrate", "--noinput", "--verbosity", "0")
        run_command(self.environment, "seed", "--json")
        scopes = ("--scope", "read", "--scope", "run", "--scope", "write")
        key = json.loads(run_command(self.environment, "createtoken", "editor", *scopes, "--json"))["key"]
        self.fleet = Fleet(self.folder, self.environment, self.port, is_short=self.is_short)
        self.fleet.start()
        os.environ.update(self.environment)
        import django

        django.setup()
        from tests.faults.real.trial import Trial

        url = f"http://127.0.0.1:{self.port}"
        trial = Trial(url, key, self.world, self.fleet, self.database, self.broker, Random(seed))
        trial.publish()
        print(f"ready after {time.monotonic() - started:.0f} s; seed {seed}", flush=True)
        return trial

    def close(self) -> None:
        if self.fleet is not None:
            self.fleet.stop()
        self.broker.stop()
        self.database.stop()
        self.world.close()
        if os.environ.get("FAULTS_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
