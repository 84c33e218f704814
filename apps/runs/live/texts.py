"""Text as a model writes it: gathered for 50 ms, sent for all streams of the process in one round trip."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable

from apps.runs.live.drivers import Driver, driver
from apps.runs.live.publish import complaints
from apps.runs.live.wire import TEXT_LIMIT, Piece, TextKey

GATHER_SECONDS = 0.05
CALM_STREAMS = 250
SLOWEST = 5.0
"""With more streams than that text is gathered longer, up to five times as long."""
BATCH = 500
FORGET_SECONDS = 30.0
"""How long an ended text stays readable: until its node's result is sure to stand in the log."""
RETRY_SECONDS = 1.0


class _Text:
    """One text: what was sent, the piece on its way (kept for another try), what came since."""

    __slots__ = ("index", "is_full", "on_its_way", "parts", "size", "waiting", "write_anew")

    def __init__(self) -> None:
        self.index = 0
        self.size = 0
        self.is_full = False
        self.parts: list[str] = []
        self.waiting: list[str] = []
        self.on_its_way = ""
        self.write_anew = True

    def add(self, text: str) -> None:
        room = TEXT_LIMIT - self.size
        if len(text) > room:
            text, self.is_full = text[:room], True
        self.size += len(text)
        self.waiting.append(text)

    def next_piece(self, key: TextKey) -> Piece:
        """Return the piece to send now: the one whose sending failed, else what waits."""
        if not self.on_its_way:
            self.on_its_way = "".join(self.waiting)
            self.waiting = []
            self.parts.append(self.on_its_way)
            self.index += 1
        whole = "".join(self.parts) if self.write_anew else None
        return Piece(key, self.index, self.on_its_way, whole)

    @property
    def has_more(self) -> bool:
        """Whether there is something to send; a kept text that is gone is sent for the keeping alone."""
        return bool(self.on_its_way or self.waiting or self.write_anew)


class TextStreams:
    """The texts that this process streams; thread-safe. One per worker process."""

    def __init__(self, carrier: Driver | None = None, *, gather_seconds: float = GATHER_SECONDS) -> None:
        self._carrier = carrier
        self._gather_seconds = gather_seconds
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._texts: dict[TextKey, _Text] = {}
        self._dirty: dict[TextKey, None] = {}
        self._ended: deque[tuple[float, TextKey]] = deque()
        self._ending: dict[TextKey, None] = {}
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, run_id: str, path: str, attempt: int, text: str) -> None:
        """Stream a piece of text. Returns at once; what comes within 50 ms goes out together."""
        if not text:
            return
        key = TextKey(str(run_id), path, attempt)
        with self._lock:
            known = self._texts.get(key)
            if known is None:
                known = self._texts[key] = _Text()
                if attempt > 1:
                    self._ended.append((0.0, TextKey(key.run_id, path, attempt - 1)))
            if known.is_full:
                return
            known.add(text)
            self._dirty[key] = None
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def end(self, run_id: str, path: str, attempt: int) -> None:
        """Send what is left of a text now, so that it precedes the node's result; never raises.

        Takes one round trip to the driver, at most a second; in an event loop it does not wait for it.
        """
        key = TextKey(str(run_id), path, attempt)
        if key not in self._texts:
            return
        if _in_event_loop():
            with self._lock:
                self._ending[key] = None
                self._start()
            self._hurry.set()
            self._wake.set()
        else:
            self._end([key])

    def _end(self, keys: list[TextKey]) -> None:
        for _ in range(2):  # a piece whose sending failed before, then what came since
            self._flush(keys)
        with self._lock:
            for key in keys:
                self._dirty.pop(key, None)
                if self._texts.pop(key, None) is not None:
                    self._ended.append((time.monotonic() + FORGET_SECONDS, key))

    def close(self) -> None:
        """Send what is left of every text, then forget all of them: their nodes start anew elsewhere."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * RETRY_SECONDS)
        self._flush(list(self._dirty))
        with self._lock:
            keys = [*self._texts, *(key for _, key in self._ended)]
            self._texts.clear()
            self._ended.clear()
        self._forget(keys)

    def _start(self) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="live-texts", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(timeout=FORGET_SECONDS / 4)
            self._wake.clear()
            if self._dirty:
                self._hurry.wait(
                    self._gather_seconds * min(max(1.0, len(self._texts) / CALM_STREAMS), SLOWEST)
                )
                self._hurry.clear()
                if not self._flush(list(self._dirty)):
                    self._stop.wait(RETRY_SECONDS)
                if self._dirty:
                    self._wake.set()
            with self._lock:
                ending, self._ending = list(self._ending), {}
            if ending:
                self._end(ending)
            self._forget(self._due())

    def _flush(self, keys: list[TextKey]) -> bool:
        """Send one piece of each text that has one; say whether the driver took them."""
        with self._sending:
            return all(self._send(keys[start : start + BATCH]) for start in range(0, len(keys), BATCH))

    def _send(self, keys: Iterable[TextKey]) -> bool:
        with self._lock:
            pieces = []
            for key in keys:
                self._dirty.pop(key, None)
                if key in self._texts and self._texts[key].has_more:
                    pieces.append(self._texts[key].next_piece(key))
        if not pieces:
            return True
        try:
            stored = self._driver().add_text(pieces)
        except Exception as error:
            complaints.say(error)
            self._settle(pieces, sent=False, stored=[False] * len(pieces))
            return False
        self._settle(pieces, sent=True, stored=stored)
        return True

    def _settle(self, pieces: list[Piece], *, sent: bool, stored: list[bool]) -> None:
        with self._lock:
            for piece, is_stored in zip(pieces, stored, strict=True):
                text = self._texts.get(piece.key)
                if text is None:
                    continue
                text.write_anew = not is_stored
                if sent:
                    text.on_its_way = ""
                if text.has_more:
                    self._dirty[piece.key] = None

    def _due(self) -> list[TextKey]:
        now = time.monotonic()
        with self._lock:
            due = [key for at, key in self._ended if at <= now]
            self._ended = deque((at, key) for at, key in self._ended if at > now)
        return due

    def _forget(self, keys: list[TextKey]) -> None:
        try:
            for start in range(0, len(keys), BATCH):
                self._driver().forget_texts(keys[start : start + BATCH])
        except Exception as error:
            complaints.say(error)

    def _driver(self) -> Driver:
        return self._carrier or driver()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
