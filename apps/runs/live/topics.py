"""Topics of the hub: each keeps its frames complete and in order, whatever the driver loses, doubles or swaps.

An event whose `seq` follows the last goes to the ring; an older one is dropped; one that leaves a gap makes the
topic read the log. So all readers share one repair, and a reader itself only ever lags.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import structlog

from apps.runs.live import rows
from apps.runs.live.database import in_database
from apps.runs.live.frames import RING_FRAMES, Frame, Ring, frame_of
from apps.runs.live.wire import DELTA, FINAL_EVENTS, KeptText, TextKey, decode, text_of
from orchestra.engine.status import EventType

if TYPE_CHECKING:
    from apps.runs.live.readers import Cursor
    from apps.runs.live.sources import Source

log = structlog.get_logger(__name__)

PENDING_LIMIT = 4096
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
TEXT_PAUSE_SECONDS = 0.25
"""Kept texts of one run are read at most this often."""
TEAM_RUNS = 2000
OVERLAP = 200
"""Rows' ids are given before the commit; a team's events are read again this far back and told once."""
ENDS_TEXT = frozenset(
    {
        EventType.NODE_ASSIGNED,
        EventType.NODE_RETRYING,
        EventType.NODE_SUCCEEDED,
        EventType.NODE_FAILED,
        EventType.NODE_SKIPPED,
        EventType.NODE_CANCELLED,
    }
)


class Topic(ABC):
    """What readers follow. Belongs to one event loop."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.id = name.partition(":")[2]
        self.ring = Ring()
        self.cursors: set[Cursor] = set()
        self.waiting = 0
        """How many wait for the topic to be ready."""
        self.is_gone = False
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._pending: list[tuple[dict[str, Any], bytes]] = []
        self._is_stale = False
        self._reading: asyncio.Future[None] | None = None
        self._read = asyncio.Event()
        self._is_waking = False

    async def ready(self) -> None:
        """Wait until the topic has read its rows at least once and nothing of them is outstanding."""
        while self._reading is not None or not self._read.is_set():
            await (asyncio.shield(self._reading) if self._reading is not None else self._read.wait())

    def refresh(self) -> None:
        """Read what the rows say beyond what is known here; what arrives meanwhile waits."""
        self._is_stale = True
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_rows())

    def receive(self, raw: bytes) -> None:
        """Take a message of the driver."""
        try:
            envelope = decode(raw)
        except (ValueError, TypeError):
            log.warning("live_message_unreadable", topic=self.name)
            return
        if self._reading is None:
            self._take(envelope, raw)
        elif len(self._pending) < PENDING_LIMIT:
            self._pending.append((envelope, raw))
        else:
            self._is_stale = True

    def close(self) -> None:
        """Stop reading rows."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read_rows(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while self._is_stale:
                self._is_stale = False
                try:
                    await self._load()
                    self._read.set()
                except Exception as error:
                    self._is_stale = True
                    log.warning("live_rows_unreadable", topic=self.name, error=repr(error)[:200])
                pending, self._pending = self._pending, []
                for envelope, raw in pending:
                    self._take(envelope, raw)
                if self._is_stale:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            self._reading = None
            self._wake()

    def _add(self, frame: Frame) -> None:
        self.ring.add(frame)
        self._wake()

    def _wake(self) -> None:
        """Wake the readers once for all that arrives in this turn of the loop."""
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon(self._wake_now)

    def _wake_now(self) -> None:
        self._is_waking = False
        for cursor in self.cursors:
            cursor.wake()

    def confirmed(self) -> None:
        """The driver delivers from now on: whatever happened until now is in the rows."""
        self.refresh()

    @abstractmethod
    async def _load(self) -> None: ...

    @abstractmethod
    def _take(self, envelope: dict[str, Any], raw: bytes) -> None: ...


class RunTopic(Topic):
    """Everything that happens in one run: the log by `seq`, and the texts that are being written."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source)
        self.seq = 0
        self.is_over = False
        self._texts: dict[TextKey, _Text] = {}
        self._wants_texts = True
        self._is_text_due = False
        self._texts_at = 0.0

    def confirmed(self) -> None:
        self._wants_texts = True
        super().confirmed()

    def texts(self) -> set[TextKey]:
        """Return which texts are being written."""
        return set(self._texts)

    def text_frame(self, key: TextKey) -> Frame | None:
        """Return everything so far of a text, as of the ring's head; None when it has ended."""
        text = self._texts.get(key)
        return text.frame(key) if text is not None else None

    async def _load(self) -> None:
        known = self.seq if self._read.is_set() else None
        head, frames = await in_database(rows.read_log, self.id, known, RING_FRAMES)
        if head is None:
            self.is_gone = True
            return
        if known is None:
            self.seq = head.seq
        elif frames and len(frames) == head.seq - known:
            for frame in frames:
                self._log(frame)
        elif head.seq > known:
            self._jump(head.seq)
        if head.seq >= self.seq:
            self.is_over = head.is_over
        if self._wants_texts:
            await self._read_texts()

    def _jump(self, seq: int) -> None:
        """Too much was missed for the ring: each reader reads the log from where it is."""
        self.ring.tear()
        self.seq = seq
        self._texts.clear()
        self._wants_texts = True

    def _log(self, frame: Frame) -> None:
        self.seq = frame.seq
        if frame.type in ENDS_TEXT:
            self._forget_texts(frame.node)
        elif not frame.node:
            self.is_over = frame.type in FINAL_EVENTS
        self._add(frame)

    def _take(self, envelope: dict[str, Any], raw: bytes) -> None:
        if envelope.get("type") == DELTA:
            self._take_text(envelope["data"], raw)
            return
        seq = envelope.get("seq", 0)
        if seq == self.seq + 1:
            self._log(Frame(envelope["type"], raw, seq, envelope.get("node") or ""))
        elif seq > self.seq:
            self._pending.append((envelope, raw))
            self.refresh()

    def _take_text(self, data: dict[str, Any], raw: bytes) -> None:
        key = TextKey(self.id, data["path"], data["attempt"])
        text = self._texts.get(key)
        if text is None and data["index"] == 1:
            self._forget_texts(key.path)
            text = self._texts[key] = _Text()
        if text is None or data["index"] > text.index + 1:
            self._miss_texts()
        elif data["index"] == text.index + 1:
            text.add(data["text"])
            self._add(Frame(DELTA, raw, text=key))

    def _miss_texts(self) -> None:
        """Pieces are missing: read what is kept, soon."""
        if not self._is_text_due:
            self._is_text_due = True
            self._loop.call_at(self._texts_at, self._want_texts)

    def _want_texts(self) -> None:
        self._wants_texts = True
        self.refresh()

    async def _read_texts(self) -> None:
        self._wants_texts = self._is_text_due = False
        self._texts_at = self._loop.time() + TEXT_PAUSE_SECONDS
        kept = await self._source.texts(self.id)
        ended = await in_database(rows.ended_texts, self.id, [text.key for text in kept])
        for text in kept:
            known = self._texts.get(text.key)
            if text.key not in ended and (known is None or known.index < text.index):
                self._texts[text.key] = _Text(text)
                self._add(self._texts[text.key].frame(text.key))

    def _forget_texts(self, path: str) -> None:
        for key in [key for key in self._texts if key.path == path]:
            del self._texts[key]


class _Text:
    """A text so far, and its frame as long as nothing is added."""

    __slots__ = ("_frame", "_parts", "index")

    def __init__(self, kept: KeptText | None = None) -> None:
        self.index = kept.index if kept else 0
        self._parts = [kept.text] if kept else []
        self._frame: Frame | None = None

    def add(self, text: str) -> None:
        self.index += 1
        self._parts.append(text)
        self._frame = None

    def frame(self, key: TextKey) -> Frame:
        if self._frame is None:
            self._parts = ["".join(self._parts)]
            self._frame = frame_of(text_of(KeptText(key, self.index, self._parts[0])), key)
        return self._frame


class TeamTopic(Topic):
    """The run events of a team's runs. Each run's events come in order; one that a later one overtook is dropped."""

    read_events = staticmethod(rows.read_team_events)

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source)
        self.mark = 0
        """Id of a row of the log: what comes after it has been told here, or will be."""
        self._floor = 0
        self._seen: OrderedDict[str, int] = OrderedDict()

    async def _load(self) -> None:
        if not self._read.is_set():
            self._floor = self.mark = await in_database(rows.read_mark)
            return
        mark = await in_database(rows.read_mark)
        after = max(self._floor, self.mark - OVERLAP)
        events = await in_database(self.read_events, [self.id], after)
        self.mark = mark
        if len(events) == rows.TEAM_LIMIT:
            self.ring.tear()
            return
        for event in events:
            self._tell(event.run_id, event.frame)

    def _take(self, envelope: dict[str, Any], raw: bytes) -> None:
        with contextlib.suppress(KeyError):
            self._tell(envelope["run"], Frame(envelope["type"], raw, envelope["seq"]))

    def _tell(self, run_id: str, frame: Frame) -> None:
        if self._seen.get(run_id, 0) >= frame.seq:
            return
        self._seen[run_id] = frame.seq
        self._seen.move_to_end(run_id)
        if len(self._seen) > TEAM_RUNS:
            self._seen.popitem(last=False)
        self._add(frame)


class ApprovalsTopic(TeamTopic):
    """What a team's runs ask people to decide, and what was decided."""

    read_events = staticmethod(rows.read_approval_events)
