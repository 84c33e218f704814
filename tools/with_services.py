"""Run a command against PostgreSQL, Redis and, if asked, RabbitMQ at their standard local ports.

    python tools/with_services.py redis|rabbitmq -- COMMAND…

The command gets DATABASE_URL, BROKER_URL and REDIS_URL. What it needs of its own (a RabbitMQ virtual host,
a Redis database) is made here and dropped at the end; the test runner makes its PostgreSQL database itself.
ORCHESTRA_TEST_{POSTGRES,REDIS,RABBITMQ}_URL point to servers elsewhere. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

POSTGRES = os.environ.get("ORCHESTRA_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("ORCHESTRA_TEST_REDIS_URL", "redis://127.0.0.1:6379")
RABBITMQ = os.environ.get("ORCHESTRA_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672")
NAMES = {"redis": ("PostgreSQL", "Redis"), "rabbitmq": ("PostgreSQL", "Redis", "RabbitMQ")}
ADDRESSES = {"PostgreSQL": POSTGRES, "Redis": REDIS, "RabbitMQ": RABBITMQ}


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code, or 1 with a sentence when a service is missing."""
    if len(arguments) < 3 or arguments[0] not in NAMES or arguments[1] != "--":
        sys.stderr.write(__doc__ or "")
        return 2
    broker, command = arguments[0], arguments[2:]
    missing = [f"{name} ({place(ADDRESSES[name])})" for name in NAMES[broker] if not answers(ADDRESSES[name])]
    if missing:
        sys.stderr.write(f"These services do not answer: {', '.join(missing)}. Start them and try again.\n")
        return 1
    with environment(broker) as values:
        sys.stdout.write(f"PostgreSQL, with {broker} as the broker:\n")
        sys.stdout.flush()
        return subprocess.run(command, env={**os.environ, **values}).returncode


@contextmanager
def environment(broker: str) -> Iterator[dict[str, str]]:
    """Yield the command's environment; what was made for it is dropped afterwards."""
    number = empty_redis_database()
    redis = f"{REDIS}/{number}"
    values = {"DATABASE_URL": POSTGRES, "REDIS_URL": redis, "BROKER_URL": redis}
    try:
        if broker == "rabbitmq":
            with virtual_host() as name:
                yield {**values, "BROKER_URL": f"{RABBITMQ}/{name}"}
        else:
            yield values
    finally:
        ask_redis(number, "FLUSHDB")


@contextmanager
def virtual_host() -> Iterator[str]:
    """Yield the name of a fresh RabbitMQ virtual host; the default one where rabbitmqctl is not at hand."""
    control = shutil.which("rabbitmqctl")
    name = f"orchestra_test_{os.getpid()}"
    user = urlsplit(RABBITMQ).username or "guest"
    if not control or subprocess.run([control, "-q", "add_vhost", name]).returncode:
        sys.stdout.write("rabbitmqctl cannot be used here: the tests use the default virtual host.\n")
        yield "%2F"
        return
    try:
        subprocess.run([control, "-q", "set_permissions", "-p", name, user, ".*", ".*", ".*"], check=True)
        yield name
    finally:
        subprocess.run([control, "-q", "delete_vhost", name])


def empty_redis_database() -> int:
    """Return the number of a Redis database that holds nothing, so that nobody's data is touched."""
    for number in range(15, 0, -1):
        if ask_redis(number, "DBSIZE") == ":0":
            return number
    sys.exit(
        "Every database of that Redis holds something; empty one (redis-cli -n 15 FLUSHDB) and try again."
    )


def ask_redis(number: int, command: str) -> str:
    """Return Redis's answer to a command in one of its databases."""
    parts = urlsplit(REDIS)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5) as link:
        replies = link.makefile("r", newline="\r\n")
        link.sendall(f"SELECT {number}\r\n{command}\r\n".encode())
        return [replies.readline().strip() for _ in range(2)][1]


def answers(url: str) -> bool:
    """Say whether something listens at the URL's host and port."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 0), timeout=3).close()
    except OSError:
        return False
    return True


def place(url: str) -> str:
    """Return host and port without credentials."""
    return urlsplit(url).netloc.rpartition("@")[2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
