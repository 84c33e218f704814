"""Live messages within one process: for tests, and where web and workers are one process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from apps.runs.live.wire import KeptText, Piece, TextKey, delta_of, encode, run_topic

Receive = Callable[[Sequence[tuple[str, bytes]]], None]


class InProcess:
    """A bus within this process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[Receive] = []
        self._workers: list[queue.SimpleQueue[bytes | None]] = []
        self._texts: dict[str, dict[TextKey, KeptText]] = {}

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        with self._lock:
            readers = list(self._readers)
        for receive in readers:
            receive(messages)

    def add_text(self, pieces: Sequence[Piece]) -> list[bool]:
        with self._lock:
            stored = [self._keep(piece) for piece in pieces]
        self.publish([(run_topic(piece.key.run_id), encode(delta_of(piece))) for piece in pieces])
        return stored

    def _keep(self, piece: Piece) -> bool:
        texts = self._texts.setdefault(piece.key.run_id, {})
        kept = texts.get(piece.key)
        if piece.whole is not None:
            texts[piece.key] = KeptText(piece.key, piece.index, piece.whole)
        elif kept is not None:
            texts[piece.key] = KeptText(piece.key, piece.index, kept.text + piece.text)
        return piece.key in texts

    def forget_texts(self, keys: Sequence[TextKey]) -> None:
        with self._lock:
            for key in keys:
                texts = self._texts.get(key.run_id, {})
                texts.pop(key, None)
                if not texts:
                    self._texts.pop(key.run_id, None)

    def texts(self, run_id: str) -> list[KeptText]:
        """Return the texts so far that are kept of a run."""
        with self._lock:
            return list(self._texts.get(run_id, {}).values())

    def attach(self, receive: Receive) -> Callable[[], None]:
        """Call `receive` in the publisher's thread for everything published; return what ends that."""
        with self._lock:
            self._readers.append(receive)

        def detach() -> None:
            with self._lock:
                if receive in self._readers:
                    self._readers.remove(receive)

        return detach

    def tell_workers(self, message: bytes) -> None:
        with self._lock:
            for inbox in self._workers:
                inbox.put(message)

    def listen_for_workers(self, hear: Callable[[bytes], None]) -> Callable[[], None]:
        inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            self._workers.append(inbox)

        def listen() -> None:
            while (message := inbox.get()) is not None:
                hear(message)

        thread = threading.Thread(target=listen, name="live-control", daemon=True)
        thread.start()

        def stop() -> None:
            with self._lock:
                if inbox in self._workers:
                    self._workers.remove(inbox)
            inbox.put(None)

        return stop
