"""How live messages look on the wire: topics, envelopes as JSON, pieces of streamed text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder

from orchestra.engine.status import EventType

DELTA = "node.delta"
TEXT = "node.text"
FINAL_EVENTS = frozenset({EventType.RUN_SUCCEEDED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})
TEXT_LIMIT = 1024 * 1024
"""Characters of one text that are kept and streamed; what a node writes beyond stands in its output only."""


class TextKey(NamedTuple):
    """Which text: one attempt at one node of one run."""

    run_id: str
    path: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of a text. `index` counts from 1.

    `whole` is everything so far, this piece included, when the kept text has to be written anew.
    """

    key: TextKey
    index: int
    text: str
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text so far; pieces up to `index` are in it."""

    key: TextKey
    index: int
    text: str


def run_topic(run_id: UUID | str) -> str:
    """The topic of everything that happens in a run."""
    return f"run:{run_id}"


def team_topic(team_id: UUID | str) -> str:
    """The topic of the `run.*` events of a team's runs."""
    return f"team:{team_id}"


def approvals_topic(team_id: UUID | str) -> str:
    """The topic of the `approval.*` events of a team's runs."""
    return f"approvals:{team_id}"


def encode(envelope: Mapping[str, Any]) -> bytes:
    """Return an envelope as one line of JSON. Raises ValueError and TypeError for what JSON cannot say."""
    line = _COMPACT.encode(envelope)
    try:
        return line.encode()
    except UnicodeEncodeError:
        return _ASCII.encode(envelope).encode()  # half a surrogate pair, as a model may cut one


def delta_of(piece: Piece) -> dict[str, Any]:
    """Return the envelope of a piece of text: streamed, not in the log, so without `seq`."""
    return _text_envelope(DELTA, piece.key, piece.index, piece.text)


def text_of(kept: KeptText) -> dict[str, Any]:
    """Return the envelope that tells everything so far of a text."""
    return _text_envelope(TEXT, kept.key, kept.index, kept.text)


def _text_envelope(type_: str, key: TextKey, index: int, text: str) -> dict[str, Any]:
    data = {"path": key.path, "attempt": key.attempt, "index": index, "text": text}
    return {"type": type_, "run": key.run_id, "node": key.path, "data": data}


_COMPACT = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII = DjangoJSONEncoder(allow_nan=False, separators=(",", ":"))


def decode(raw: bytes) -> dict[str, Any]:
    """Return the envelope of a message. Raises ValueError when it is none."""
    envelope = json.loads(raw)
    if not isinstance(envelope, dict):
        raise TypeError("A live message is a JSON object.")
    return envelope
