"""Events as they happen: server-sent events that are taken up again where they broke off."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

from orchestra_client.errors import ApiError, ConnectionFailed
from orchestra_client.rest import PASSING, Rest
from orchestra_client.shapes import FINAL, Event

SILENCE_SECONDS = 60.0
"""The server says something at least every 15 s; after so long the connection is taken for dead."""
LONGEST_PAUSE = 30.0
ENDS = frozenset(f"run.{status}" for status in FINAL)
TEXTS = ("node.delta",)


class Stream:
    """What one run does and writes."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def events(self, run: str, *, after: int = 0) -> Iterator[Event]:
        """Yield the run's log from `after` on and its texts, each entry once, until the run has ended."""
        for event in _follow(
            self._rest, f"runs/{run}/events", last=str(after) if after else "", one_run=True
        ):
            yield event
            if event.type in ENDS:
                return

    def text(self, run: str, node: str = "") -> Iterator[str]:
        """Yield the pieces of text that the run's models write (those of one node, if it is named), as they come."""
        for event in self.events(run):
            if event.type in TEXTS and node in ("", event.node):
                yield str(event.data.get("text", ""))


class Realtime:
    """What happens in a whole team: `runs`, `approvals`, `agents`, `system`, or `run:<id>`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def subscribe(self, *topics: str) -> Iterator[Event]:
        """Yield events of these topics, without an end; leave the loop to stop."""
        yield from _follow(self._rest, "events/stream", params={"topics": ",".join(topics)})


def _follow(
    rest: Rest, path: str, *, params: Mapping[str, Any] | None = None, last: str = "", one_run: bool = False
) -> Iterator[Event]:
    failures = 0
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        try:
            with rest.open("GET", path, params=params, headers=headers, timeout=SILENCE_SECONDS) as answer:
                for event in _read(answer):
                    failures, last = 0, event.id or last
                    yield event
            if one_run:
                state = rest.get(path.removesuffix("/events"))
                if state["status"] in FINAL:
                    one_run = False  # one more look for what came last
                    continue
        except ApiError as error:
            if error.status not in PASSING:
                raise
        except (OSError, HTTPException, ConnectionFailed):
            pass
        failures += 1
        if failures > max(5, rest.retries):
            raise ConnectionFailed(f"The stream {path} breaks off again and again.")
        time.sleep(min(LONGEST_PAUSE, 0.25 * 2**failures) * random.uniform(0.5, 1.0))  # noqa: S311  (spreads who comes back)


def _read(answer: HTTPResponse) -> Iterator[Event]:
    """Yield the events of one connection (WHATWG HTML §9.2.6)."""
    type_, id_ = "", ""
    lines: list[str] = []
    for raw in answer:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if not line:
            if lines and type_ != "bye" and isinstance(said := json.loads("\n".join(lines)), dict):
                yield Event.of(said, type_, id_)
            type_, lines = "", []
            continue
        name, _colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            type_ = value
        elif name == "id":
            id_ = value
        elif name == "data":
            lines.append(value)
