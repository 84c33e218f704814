"""The stage of the benchmarks: the product's processes on a database of their own, and the workflows they run."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
PYTHON = sys.executable


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


WEB_PORT, MODEL_PORT = free_port(), free_port()
DATABASE = f"orchestra_bench_{os.getpid()}"
LOOP = ("--pool=custom", "-c", "1000", "-Q", "llm,io,control")
PREFORK = ("-c", "2")
THREADS = ("-P", "threads", "-c", "1000")
CPU = ("--pool=prefork", "-c", "2", "-Q", "cpu")


def prepare_environment(driver: str) -> dict[str, str]:
    """Set the environment of this process and its children for a driver: `services` or `embedded`."""
    folder = tempfile.mkdtemp(prefix="orchestra-bench-")
    chosen = {
        "DJANGO_SETTINGS_MODULE": "orchestra.settings",
        "ORCHESTRA_VAR": folder,
        "CELERY_CUSTOM_WORKER_POOL": "workers.pool:LoopPool",
        "ORCHESTRA_API_RATE": "1000000/min",
        "ORCHESTRA_UPKEEP": "1",
        "ORCHESTRA_FUNCTIONS": "tests.load.functions",
        "ORCHESTRA_ALLOWED_HOSTS_OUT": f"127.0.0.1:{MODEL_PORT}",
        "MODEL_PORT": str(MODEL_PORT),
    }
    if driver == "services":
        chosen |= {
            "DATABASE_URL": f"{database_server()}/{DATABASE}",
            "BROKER_URL": os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/11"),
            "PLAIN_BROKER": os.environ.get("BENCH_PLAIN", "redis://127.0.0.1:6379/12"),
        }
        make_database(DATABASE)
    os.environ.update(chosen)
    return chosen


def database_server() -> str:
    return os.environ.get("BENCH_DATABASE", "postgres://postgres@127.0.0.1:5432")


def make_database(name: str) -> None:
    drop_database(name)
    subprocess.run(["createdb", "--maintenance-db", f"{database_server()}/postgres", name], check=True)


def drop_database(name: str) -> None:
    command = ["dropdb", "--if-exists", "--force", "--maintenance-db", f"{database_server()}/postgres", name]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


@contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child in its own group until the block ends; its output goes to a log in the data folder."""
    log = Path(os.environ["ORCHESTRA_VAR"]) / f"{Path(command[0]).name}-{time.time_ns()}.log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [PYTHON, "-m", *command],
            cwd=ROOT,
            env={name: value for name, value in {**os.environ, **environment}.items() if value},
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  (one C function)
        )
        try:
            yield child
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # and whatever it had started itself
            child.wait()


def _end_with_parent() -> None:
    """Have the kernel end this child when its parent is gone, however that ended."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_on_signals() -> None:
    """Leave by an exception, so that every child is ended and the database dropped.

    On SIGINT as well: a shell has its background jobs ignore it, and Python leaves that as it is.
    """

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


def celery_worker(*options: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    words = (
        "celery",
        "-A",
        "orchestra.celery",
        "worker",
        "-l",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    )
    return process(*words, *options, ORCHESTRA_ROLE="worker")


def plain_worker(*pool: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start the other side's workers without Django and the product's broker (Celery reads `BROKER_URL`)."""
    words = ("celery", "-A", "tests.load.plain", "worker", "-l", "WARNING", "-Q", "plain", "-n", "plain@%h")
    options = ("--without-gossip", "--without-mingle", *(pool or PREFORK))
    return process(*words, *options, DJANGO_SETTINGS_MODULE="", BROKER_URL="")


@contextmanager
def model_server() -> Iterator[None]:
    """Start the benchmark's language model in a process of its own."""
    with process("tests.load.model", str(MODEL_PORT), DJANGO_SETTINGS_MODULE=""):
        for _ in range(300):
            try:
                model_peak()
            except OSError:
                time.sleep(0.1)
            else:
                break
        else:
            raise SystemExit(f"The model does not answer on port {MODEL_PORT}.")
        yield


def model_peak() -> int:
    """Return the most answers that were under way at once since this was last asked."""
    with urllib.request.urlopen(f"http://127.0.0.1:{MODEL_PORT}/peak", timeout=5) as answer:
        return int(json.load(answer)["peak"])


def plain_seconds(shape: str, size: int, repeats: int) -> list[float]:
    """Have plain Celery do the same work, started by a client of its own without Django; return the seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [PYTHON, "-m", "tests.load.plain", shape, str(size), str(repeats)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=300)
    return list(json.loads(done.stdout))


def clean_up() -> None:
    """Remove the data of this run, its database too; `BENCH_KEEP=1` keeps it, with the logs."""
    if not os.environ.get("BENCH_KEEP"):
        if DATABASE in os.environ.get("DATABASE_URL", ""):
            drop_database(DATABASE)
        shutil.rmtree(os.environ["ORCHESTRA_VAR"], ignore_errors=True)


# The workflows of performance.md. ---------------------------------------------------------------
def function(name: str = "noop", needs: list[str] | None = None, **arguments: object) -> dict[str, object]:
    return {"kind": "function", "needs": needs or [], "settings": {"name": name, "arguments": arguments}}


def chain_of(length: int, name: str = "noop", **arguments: object) -> dict[str, object]:
    nodes = {f"n{i}": function(name, [f"n{i - 1}"] if i else [], **arguments) for i in range(length)}
    return {"orchestra": 1, "nodes": nodes}


def fan_of(width: int) -> dict[str, object]:
    nodes = {f"n{i}": function() for i in range(width)}
    nodes["join"] = function(needs=list(nodes))
    return {"orchestra": 1, "nodes": nodes}


def map_of(width: int) -> dict[str, object]:
    body = {"nodes": {"one": function()}, "output": None}
    items = {"kind": "map", "settings": {"items": list(range(width)), "body": body}}
    return {"orchestra": 1, "nodes": {"each": items, "join": function(needs=["each"])}}


def streams_of(width: int) -> dict[str, object]:
    body = {"nodes": {"say": {"kind": "llm", "settings": {"prompt": "Go on."}}}, "output": None}
    items = {"kind": "map", "settings": {"items": list(range(width)), "body": body}}
    return {"orchestra": 1, "nodes": {"each": items, "join": function(needs=["each"])}}


def one_stream(model: str) -> dict[str, object]:
    settings = {"prompt": "Go on.", "model": model}
    return {"orchestra": 1, "nodes": {"say": {"kind": "llm", "settings": settings}}}


def diamond() -> dict[str, object]:
    nodes = {
        "a": function(),
        "b": function(needs=["a"]),
        "c": function(needs=["a"]),
        "d": function(needs=["b", "c"]),
    }
    return {"orchestra": 1, "nodes": nodes}
