"""What a killed supervisor left alive is ended before another starts: the lock of the folder is held by then.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workers import embedded
from workers.children import end_group
from workers.rundir import RunFolder, birth

GRACE_SECONDS = 10.0


def end_leftovers(folder: RunFolder, broker_at: Path | None, *, say: Callable[[str], object]) -> None:
    """End the processes that the folder names, politely at first, and the embedded broker at its socket."""
    pids = folder.leftovers()
    if pids:
        say(f"Ending {len(pids)} processes that an earlier start left behind …")
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(birth(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in pids:
        end_group(pid)
    while broker_at and embedded.answers(broker_at) and time.monotonic() < deadline:
        embedded.shut_down(broker_at)
        time.sleep(0.05)
    folder.clear()
