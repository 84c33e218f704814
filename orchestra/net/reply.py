"""Reading what comes back: size limits after decompression, headers, JSON when the answer says so."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import ClientResponse

from orchestra.errors import ToolFailed
from orchestra.net.text import clean_json, clean_text

PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take: bytes after decompression, seconds, redirects."""

    body_bytes: int = 10 * 1024 * 1024
    total_seconds: float = 30.0
    connect_seconds: float = 10.0
    redirects: int = 5
    header_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer: header names in lower case; `body` is parsed JSON or text."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Reply:
    """An answer whose body is still to be read."""

    def __init__(self, response: ClientResponse, max_bytes: int) -> None:
        self.status = response.status
        self.headers = _headers_of(response)
        self._response = response
        self._max_bytes = max_bytes

    @property
    def content_type(self) -> str:
        """The media type alone, lower case: `text/event-stream`."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the decompressed body as it arrives. Raises ToolFailed beyond the size limit."""
        decoder = _decoder(self.headers.get("content-encoding", ""))
        total = 0
        async for raw in self._response.content.iter_any():
            for piece in decoder(raw):
                total += len(piece)
                if total > self._max_bytes:
                    raise ToolFailed(f"The answer is larger than the limit of {self._max_bytes:,} bytes.")
                yield piece

    async def read(self) -> bytes:
        """Return the whole decompressed body. Raises ToolFailed beyond the size limit."""
        return b"".join([piece async for piece in self.chunks()])

    async def whole(self) -> HttpReply:
        """Read to the end and parse JSON when the content type says so; anything else is text."""
        raw = await self.read()
        return HttpReply(self.status, self.headers, self._parse(raw))

    def _parse(self, raw: bytes) -> Any:
        kind = self.content_type
        if raw and (kind == "application/json" or kind.endswith("+json")):
            try:
                return clean_json(json.loads(raw, parse_constant=_refuse_constant))
            except (ValueError, RecursionError):
                pass  # not the JSON it claims to be: shown as the text it is
        return clean_text(raw.decode(self._charset(), errors="replace"))

    def _charset(self) -> str:
        name = self._response.charset or "utf-8"
        try:
            "".encode(name)
        except (LookupError, ValueError):
            return "utf-8"
        return name


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that `retry-after` asks for (a number or an HTTP date), or None."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now)
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


def _headers_of(response: ClientResponse) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _decoder(encoding: str) -> Any:
    """Return a function from raw bytes to decompressed pieces of bounded size."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda raw: (raw,)
    if encoding in ("gzip", "x-gzip", "deflate"):
        # 32 makes zlib recognise gzip and zlib headers by itself.
        return _Inflate(zlib.decompressobj(zlib.MAX_WBITS | 32))
    raise ToolFailed(f"The answer is compressed in a way that was not asked for: {encoding[:40]!r}.")


class _Inflate:
    """Decompress in pieces of at most PIECE bytes, so that a bomb is met before it has grown."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def __call__(self, raw: bytes) -> Iterator[bytes]:
        while raw:
            try:
                piece = self._state.decompress(raw, PIECE)
            except zlib.error as error:
                raise ToolFailed("The answer's compression is broken.") from error
            if piece:
                yield piece
            raw = self._state.unconsumed_tail
            if self._state.eof:
                return


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
