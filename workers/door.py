"""The listening socket of the web process: bound before anything is started, kept while that process is restarted.

Who comes while the web process starts, or is started again, waits a moment instead of being refused.
Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import socket

BACKLOG = 2048


def open_door(host: str, port: int) -> socket.socket:
    """Return a socket that listens at host and port (0: any free one). Raises OSError or OverflowError."""
    name = host.strip("[]")
    door = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((name, port))
        door.listen(BACKLOG)
    except (OSError, OverflowError):
        door.close()
        raise
    return door
