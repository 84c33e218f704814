"""Telling everybody: after a commit, what it changed; to the workers, what they should do at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from apps.runs.live.drivers import driver
from apps.runs.live.wire import decode, encode

log = structlog.get_logger(__name__)

COMPLAINT_SECONDS = 10.0


class _Complaints:
    """Says once in a while that live messages are not carried: an outage must not fill the log."""

    def __init__(self) -> None:
        self._next = 0.0
        self._count = 0

    def say(self, error: Exception) -> None:
        self._count += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + COMPLAINT_SECONDS
            log.warning(
                "live_messages_lost", count=self._count, error=type(error).__name__, detail=str(error)[:200]
            )
            self._count = 0


complaints = _Complaints()


def broadcast(frames: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Send (topic, envelope) pairs to every reader, in this order. Call it after the commit.

    Never raises and never blocks for more than a second: the log is the truth, and readers that miss a
    message notice it and read the log.
    """
    try:
        messages = [(topic, encode(envelope)) for topic, envelope in frames]
        if messages:
            driver().publish(messages)
    except Exception as error:
        complaints.say(error)


def texts_so_far(run_id: str) -> dict[str, str]:
    """Return what the node runs of a run have written until now, by path. Never raises: it may be nothing.

    Texts are kept while they are written and for half a minute after.
    """
    try:
        kept = sorted(driver().texts(run_id), key=lambda text: text.key.attempt)
    except Exception as error:
        complaints.say(error)
        return {}
    return {text.key.path: text.text for text in kept}


def tell_workers(message: Mapping[str, Any]) -> None:
    """Send a message, such as `{"cancel": run_id}`, to every worker. Never raises: the rows say it too."""
    try:
        driver().tell_workers(encode(message))
    except Exception as error:
        complaints.say(error)


def listen_for_workers(handler: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
    """Call `handler` in a background thread for every message to the workers; return what ends that.

    Connects again by itself; what is sent while Redis is away is lost. What the handler raises is logged.
    """

    def hear(raw: bytes) -> None:
        try:
            handler(decode(raw))
        except Exception:
            log.exception("worker_message_failed")

    return driver().listen_for_workers(hear)
