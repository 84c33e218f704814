"""What happens when a Celery worker process starts and stops: its runtime, its lease, the embedded upkeep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery.signals import (
    celeryd_after_setup,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)
from django.conf import settings

from orchestra import env, tracing
from orchestra.tools import functions
from workers import runtime
from workers.lease import Lease
from workers.upkeep import UpkeepThread


@dataclass
class Identity:
    """What the lease says of this worker; set before a prefork pool forks."""

    queues: str = ""
    pool: str = "solo"
    slots: int = 1


IDENTITY = Identity()
_state: dict[str, UpkeepThread] = {}


@celeryd_after_setup.connect
def remember(sender: Any, instance: Any, **_: Any) -> None:
    """Note queues and pool, and load the installation's functions before anything forks."""
    IDENTITY.queues = ",".join(sorted(instance.app.amqp.queues.consume_from))
    IDENTITY.pool = instance.pool_cls.__module__.rpartition(".")[2]
    IDENTITY.slots = instance.concurrency or 1
    functions.load(["orchestra.tools.builtin", *settings.ORCHESTRA_FUNCTIONS])


@worker_process_init.connect
def start_child(**_: Any) -> None:
    """Give a prefork child a runtime of its own."""
    IDENTITY.slots = 1
    runtime.current()


@worker_ready.connect
def start_parent(sender: Any, **_: Any) -> None:
    """Give any other pool's process its runtime; the embedded default also keeps house here."""
    if IDENTITY.pool != "prefork":
        runtime.current()
    if env.flag("ORCHESTRA_UPKEEP"):
        _state["upkeep"] = UpkeepThread()


def take_lease(current: runtime.Runtime) -> Callable[[], None]:
    """Take the lease of a new runtime; return what gives it up."""
    lease = Lease(current, queues=IDENTITY.queues, pool=IDENTITY.pool, slots=IDENTITY.slots)
    lease.start()
    return lease.stop


runtime.lease_with(take_lease)


@worker_process_shutdown.connect
@worker_shutdown.connect
def stop(**_: Any) -> None:
    """End the runtime, which gives its lease up, so that nothing waits for it to run out."""
    runtime.close()
    tracing.close()
    if "upkeep" in _state:
        _state.pop("upkeep").stop()
