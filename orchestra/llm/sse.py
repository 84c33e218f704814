"""Streams as bytes in, events out: the lean parsers of server-sent events and of lines of JSON."""

from __future__ import annotations

from typing import NamedTuple

from orchestra.errors import ModelUnavailable

MAX_EVENT_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    """One event: its type (empty when unnamed) and its data lines joined by newlines, still bytes."""

    name: bytes
    data: bytes


class EventParser:
    """Feed it reads of any size; it keeps what is not complete yet.

    Follows the WHATWG rules: lines end in LF, CR LF or CR; `data:` lines join; comments, ids and retry times
    are passed over; an event without data is none. Bytes are decoded by whoever reads the data, so characters
    that a read has cut in two are whole again.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0
        self._is_first = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that this read completes. Raises ModelUnavailable when one grows without end."""
        buffer = self._rest + chunk if self._rest else chunk
        if self._is_first:
            if len(buffer) < len(BOM) and BOM.startswith(buffer):
                self._rest = buffer
                return []
            self._is_first = False
            buffer = buffer.removeprefix(BOM)
        if b"\r" in buffer:
            # A CR at the very end may be half of a CR LF: it is kept until the next read.
            held = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        lines = buffer.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise ModelUnavailable("The provider sent an event without end.")
        found: list[ServerEvent] = []
        for line in lines:
            if line:
                self._field(line)
            elif self._data:
                found.append(ServerEvent(self._name, b"\n".join(self._data)))
                self._name, self._data, self._size = b"", [], 0
            else:
                self._name = b""
        return found

    def close(self) -> list[ServerEvent]:
        """Return what a stream that ended without its last empty line still held."""
        return self.feed(b"\n\n") if self._rest or self._data else []

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._name = value.removeprefix(b" ")


class LineParser:
    """The same for lines of JSON: every line that is not empty is an event without a name."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the lines that this read completes. Raises ModelUnavailable when one grows without end."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ModelUnavailable("The provider sent a line without end.")
        return [ServerEvent(b"", line) for line in lines if line.strip()]

    def close(self) -> list[ServerEvent]:
        """Return the last line of a stream that ended without its line break."""
        return self.feed(b"\n") if self._rest else []
