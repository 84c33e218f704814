"""The benchmarks' stage: whoever ends a benchmark ends its processes, which would take the next one's messages."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARK = """
import os, tempfile, time
os.environ["ORCHESTRA_VAR"] = tempfile.mkdtemp()
from tests.load import stage
stage.end_on_signals()
with stage.process("http.server", "0", "--bind", "127.0.0.1") as child:
    print(child.pid, flush=True)
    time.sleep(60)
"""
PATIENCE_SECONDS = 30.0


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and a killed parent is told by Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_children_of_a_benchmark_end_with_it(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", BENCHMARK], cwd=ROOT, stdout=subprocess.PIPE) as benchmark:
        assert benchmark.stdout is not None
        child = int(benchmark.stdout.readline())
        assert is_alive(child)

        benchmark.send_signal(number)
        benchmark.wait(PATIENCE_SECONDS)

    ends_at = time.monotonic() + PATIENCE_SECONDS
    while is_alive(child):
        assert time.monotonic() < ends_at, "it lives on"
        time.sleep(0.02)
