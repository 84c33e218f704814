"""A live message as readers get it: encoded once, shared by all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

from apps.runs.live.wire import TextKey, encode

RING_FRAMES = 256
RING_BYTES = 1024 * 1024


class Frame:
    """One message: an event of the log (`seq` > 0), a piece of text, or a word about the stream itself."""

    __slots__ = ("_block", "json", "node", "seq", "text", "type")

    def __init__(
        self, type_: str, json: bytes, seq: int = 0, node: str = "", text: TextKey | None = None
    ) -> None:
        self.type = type_
        self.text = text
        """Which text it is a piece of."""
        self.json = json
        self.seq = seq
        self.node = node
        self._block = b""

    @property
    def block(self) -> bytes:
        """The message as a block of an event stream, without its id."""
        if not self._block:
            self._block = b"event: %s\ndata: %s\n\n" % (self.type.encode(), self.json)
        return self._block

    @property
    def block_with_id(self) -> bytes:
        """The same with `id: <seq>`, for streams of one run; what is not in the log has no id."""
        return b"id: %d\n%s" % (self.seq, self.block) if self.seq else self.block


def frame_of(envelope: Mapping[str, Any], text: TextKey | None = None) -> Frame:
    """Return the frame of an envelope; `text` says of which text it tells."""
    return Frame(envelope["type"], encode(envelope), envelope.get("seq", 0), envelope.get("node") or "", text)


class Ring:
    """The latest frames of a topic. Positions count every frame ever added; the ring holds [tail, head)."""

    __slots__ = ("_bytes", "_frames", "tail")

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self.tail = 0

    @property
    def head(self) -> int:
        return self.tail + len(self._frames)

    def add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._bytes += len(frame.json)
        while len(self._frames) > RING_FRAMES or (self._bytes > RING_BYTES and len(self._frames) > 1):
            self._bytes -= len(self._frames.popleft().json)
            self.tail += 1

    def tear(self) -> None:
        """Empty the ring and leave a hole: whoever reads from it is behind from now on."""
        self.tail = self.head + 1
        self._frames.clear()
        self._bytes = 0

    def since(self, position: int) -> list[Frame]:
        """Return the frames from `position`, which must be in [tail, head]."""
        return list(islice(self._frames, position - self.tail, None))

    def logged_after(self, seq: int) -> list[Frame] | None:
        """Return the events of the log after `seq`, or None when the ring does not reach back to it."""
        logged = [frame for frame in self._frames if frame.seq]
        if not logged or logged[0].seq > seq + 1:
            return None
        return [frame for frame in logged if frame.seq > seq]
