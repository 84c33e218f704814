"""The event parser: any cut of any spelling of the same events gives the same events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.errors import ModelUnavailable
from orchestra.llm.sse import MAX_EVENT_BYTES, EventParser, ServerEvent

STREAM = (
    ": a comment\n"
    "id: 7\nretry: 100\n\n"
    "data: first\n\n"
    "event: named\ndata: two\ndata:lines\ndata:  kept space\n\n"
    "data\n\n"
    "event: forgotten\n\n"
    "unknown: field\ndata: {\"text\": \"héllo 你好 😀\"}\n\n"
    "data: [DONE]\n\n"
)  # fmt: skip
EVENTS = [
    ServerEvent(b"", b"first"),
    ServerEvent(b"named", b"two\nlines\n kept space"),
    ServerEvent(b"", b""),
    ServerEvent(b"", '{"text": "héllo 你好 😀"}'.encode()),
    ServerEvent(b"", b"[DONE]"),
]


def parse(pieces: list[bytes]) -> list[ServerEvent]:
    parser = EventParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.close()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_line_ending_gives_the_same_events(end: str, mark: bytes) -> None:
    raw = mark + STREAM.replace("\n", end).encode()

    assert parse([raw]) == EVENTS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_by_byte_gives_the_same_events(end: str) -> None:
    raw = b"\xef\xbb\xbf" + STREAM.replace("\n", end).encode()

    assert parse([raw[index : index + 1] for index in range(len(raw))]) == EVENTS


@given(cuts=st.lists(st.integers(0, 250), max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_cut_gives_the_same_events(cuts: list[int], end: str) -> None:
    raw = STREAM.replace("\n", end).encode()
    edges = sorted({0, len(raw), *(min(cut, len(raw)) for cut in cuts)})

    assert parse([raw[low:high] for low, high in pairwise(edges)]) == EVENTS


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_noise_never_raises(pieces: list[bytes]) -> None:
    for event in parse(pieces):
        assert b"\n\n" not in event.name


def test_a_last_event_without_its_empty_line_is_kept() -> None:
    assert parse([b"data: a\n\ndata: b"]) == [ServerEvent(b"", b"a"), ServerEvent(b"", b"b")]


@pytest.mark.parametrize("line", [b"x" * 70_000, b"data: " + b"x" * 70_000 + b"\n"])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    with pytest.raises(ModelUnavailable):
        parse([line] * (MAX_EVENT_BYTES // 70_000 + 2))
