"""What every provider's adapter shares: sending, refusals, options that a server turns out not to know."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from orchestra.errors import ModelRefused, ModelUnavailable, NodeFailure
from orchestra.llm.client import Chunk, ModelRequest, TextDelta
from orchestra.llm.sse import EventParser, LineParser, ServerEvent
from orchestra.llm.wire import NotServed, as_model_errors, error_for, message_in, redact
from orchestra.net import Outbound, Reply

IDLE_SECONDS = 30.0
"""The time limit of one try: so long may a provider be silent before the first byte and between two pieces."""
TOTAL_SECONDS = 600.0
MAX_STREAM_BYTES = 64 * 1024 * 1024
_decode = json.JSONDecoder().decode
MAX_ERROR_BYTES = 64 * 1024
UNSUPPORTED = r"{0}\W.*(?:unsupported|not support|deprecated)|(?:unsupported|not support).*\W{0}\b"


class ProviderClient(ABC):
    """A ModelClient over HTTP: one dialect, one base URL, one secret.

    `http` is the guarded client, which knows the operator's exceptions for local servers. `options` come from
    the connection: `headers` (extra ones), `idle_seconds`, and the dialect's own.
    """

    path: ClassVar[str]
    models_path: ClassVar[str] = "/models"
    droppable: ClassVar[Mapping[str, str]]
    """Features that some servers refuse, each with what the refusal then says (a regular expression)."""

    def __init__(
        self, http: Outbound, base_url: str, secret: str = "", options: Mapping[str, Any] | None = None
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._options = dict(options or {})
        self._without: set[str] = set()

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate."""

    @abstractmethod
    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        """Return the request's body, without the features that the server refuses."""

    @abstractmethod
    def reader(self, request: ModelRequest) -> StreamReader:
        """Return what turns this answer's events into chunks."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's chunks, the last one a Finish. Raises as ModelClient promises."""
        for _ in range(len(self.droppable) + 1):
            async with as_model_errors(), self._open(request) as reply:
                if reply.status == 200:
                    async with aclosing(self._chunks(reply, request)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    return
                body = await _beginning(reply)
            if not self._learns(reply.status, body):
                break
        raise error_for(reply.status, reply.headers, body, secret=self._secret)

    def address(self, request: ModelRequest) -> str:
        """Return the URL that a request goes to."""
        return f"{self._base_url}{self.path}"

    def model_names(self, answer: Mapping[str, Any]) -> list[str] | None:
        """Return the names in a list of models; None when it is not one."""
        data = answer.get("data")
        if not isinstance(data, list):
            return None
        return [str(entry["id"]) for entry in data if isinstance(entry, dict) and "id" in entry]

    async def models(self) -> list[str]:
        """Return the names of the models that this connection offers: the cheapest test of URL and secret.

        Raises as `stream`, ModelUnavailable when the answer is not a list of models.
        """
        async with as_model_errors():
            answer = await self._http.request(
                "GET", f"{self._base_url}{self.models_path}", headers=self._all_headers(None)
            )
        if answer.status != 200:
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            raise error_for(answer.status, answer.headers, text, secret=self._secret)
        names = self.model_names(answer.body) if isinstance(answer.body, dict) else None
        if names is None:
            raise ModelUnavailable("The address answers, but not as a model provider: check the base URL.")
        return sorted(names)

    def _open(self, request: ModelRequest) -> Any:
        return self._http.open(
            "POST",
            self.address(request),
            headers=self._all_headers(request),
            body=self.payload(request, frozenset(self._without)),
            timeout=request.timeout or TOTAL_SECONDS,
            idle=min(float(self._options.get("idle_seconds") or IDLE_SECONDS), request.idle or TOTAL_SECONDS),
            redirects=0,
            max_bytes=MAX_STREAM_BYTES,
        )

    def _all_headers(self, request: ModelRequest | None) -> dict[str, str]:
        extra = self._options.get("headers")
        headers = {str(k): str(v) for k, v in extra.items()} if isinstance(extra, Mapping) else {}
        headers.update(self.headers())
        if request is not None:
            headers.update({"Accept": "text/event-stream", "Accept-Encoding": "identity"})
            headers["X-Attempt"] = str(request.attempt)
            if request.idempotency_key:
                headers["Idempotency-Key"] = request.idempotency_key
        return headers

    def _learns(self, status: int, body: str) -> bool:
        """Note a feature that this refusal is about; False when there is nothing to leave out."""
        if status not in (400, 404, 422, 501):
            return False
        for feature, said in self.droppable.items():
            if feature not in self._without and re.search(said, body, re.IGNORECASE):
                self._without.add(feature)
                return True
        return False

    async def _chunks(self, reply: Reply, request: ModelRequest) -> AsyncGenerator[Chunk]:
        reader = self.reader(request)
        parser = PARSERS.get(reply.content_type)
        if parser is not None:
            async with aclosing(self._streamed(reply, reader, parser())) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            for chunk in reader.read_whole(_object(await reply.read(), self._secret)):
                yield chunk
        yield reader.finish()

    async def _streamed(
        self, reply: Reply, reader: StreamReader, parser: EventParser | LineParser
    ) -> AsyncGenerator[Chunk]:
        """Yield the chunks of an answer's events, until it is complete or cut."""
        async with aclosing(reply.chunks()) as pieces:
            async for raw in pieces:
                for chunk in self._taken(parser.feed(raw), reader):
                    yield chunk
                if reader.is_complete:
                    return
        for chunk in self._taken(parser.close(), reader):
            yield chunk

    def _taken(self, events: Iterable[ServerEvent], reader: StreamReader) -> Iterator[Chunk]:
        """Yield the chunks of events that arrived together, their text as one: what comes late costs less."""
        texts: list[str] = []
        try:
            for event in events:
                for chunk in reader.read(event, self._secret):
                    if isinstance(chunk, TextDelta):
                        texts.append(chunk.text)
                    else:
                        yield chunk
                if reader.is_complete:
                    break
        except NodeFailure:
            if texts:
                yield TextDelta("".join(texts))
            raise
        if texts:
            yield TextDelta("".join(texts))


class StreamReader(ABC):
    """Turn one answer's events into chunks, and know when it is complete."""

    is_complete = False

    def read(self, event: ServerEvent, secret: str) -> list[Chunk]:
        """Return the chunks of one event. Raises ModelUnavailable for nonsense, or what the event reports."""
        return self.take(event, _object(event.data, secret))

    @abstractmethod
    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of one event's parsed data."""

    @abstractmethod
    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of an answer that came in one piece, from a server that does not stream."""

    @abstractmethod
    def finish(self) -> Chunk:
        """Return the Finish. Raises ModelUnavailable when the stream was cut."""


def cut() -> ModelUnavailable:
    """Return the error of a stream that ended too early."""
    return ModelUnavailable("The stream was cut before the answer was complete.")


PARSERS: Mapping[str, type[EventParser | LineParser]] = {
    "text/event-stream": EventParser,
    "application/x-ndjson": LineParser,
}
"""How streams of each content type are read."""


async def _beginning(reply: Reply) -> str:
    """Return the first part of an error's body; the rest is not worth waiting for."""
    raw = b""
    async for piece in reply.chunks():
        raw += piece
        if len(raw) >= MAX_ERROR_BYTES:
            break
    return raw[:MAX_ERROR_BYTES].decode(errors="replace")


def _object(raw: bytes, secret: str) -> dict[str, Any]:
    """Parse one JSON object. Raises ModelUnavailable for anything else, and what a reported error means."""
    try:
        value = _decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable("The provider answers with something that is not JSON.") from error
    if not isinstance(value, dict):
        raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
    if value.get("error"):
        raise reported(value, secret)
    return value


def reported(value: Mapping[str, Any], secret: str) -> NodeFailure:
    """Return the error that a provider reports inside an answer with status 200."""
    error = value["error"] if isinstance(value["error"], dict) else {}
    kind = f"{error.get('type', '')} {error.get('code', '')}".lower()
    said = redact(message_in(value["error"]), secret)
    if "rate_limit" in kind or "429" in kind:
        return error_for(429, {}, said, secret=secret)
    if "not_found" in kind:
        return NotServed(f"The provider reports: {said}")
    if "authentication" in kind or "permission" in kind:
        return error_for(401, {}, said, secret=secret)
    if "invalid_request" in kind or "context_length" in kind:
        return ModelRefused(f"The provider reports: {said}")
    return ModelUnavailable(f"The provider reports: {said or 'an error'}")
