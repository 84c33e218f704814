"""The one interface to models: requests in, a stream of chunks out. Adapters implement it per dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestra.llm.breaker import BreakerRules, Circuit
from orchestra.llm.limits import NO_LIMITS, Limits
from orchestra.llm.patience import NO_PATIENCE, Patience


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that a model may call: its name (letters, digits, `_`, `-`), what it does, its arguments' schema."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for; `arguments` is JSON text as the model wrote it, so it may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: role `system`, `user`, `assistant` or `tool`; `images` are data URLs or https URLs.

    An assistant's turn may carry calls; a turn of the role `tool` is the result of the call `call_id`.
    """

    role: str
    content: str
    images: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is asked of a model. `schema` asks for JSON that fits it; `timeout`: seconds for it all.

    `idle`: seconds that it may be silent, where that is less than its connection allows.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    schema: Mapping[str, Any] | None = None
    timeout: float | None = None
    idempotency_key: str = ""
    attempt: int = 1
    tools: tuple[ToolSpec, ...] = ()
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a complete answer, with the calls that the model asks for. A stream that ends without it was cut."""

    reason: str
    input_tokens: int
    output_tokens: int
    model: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


Chunk = TextDelta | Finish


class ModelClient(Protocol):
    """Talks one dialect to one base URL."""

    def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the answer's chunks; the last one is a Finish.

        Raises ModelUnavailable (refused, 5xx, cut stream, nonsense), ModelTimeout, RateLimited(retry_after),
        BadCredentials (401, 403), ModelRefused (other 4xx).
        """


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """A model at a connection, ready to be called."""

    client: ModelClient
    model: str
    connection: str
    """Slug of the connection, shown on the node run."""
    system: str = ""
    """Instructions of the agent, put before the node's own `system`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Defaults of the agent: temperature, max_tokens."""
    prices: tuple[float, float] | None = None
    """Money per million input and output tokens; None: looked up in the catalogue by model name."""
    agent: str = ""
    """Slug of the agent that was named; empty: none."""
    account: str = ""
    """The account at the provider that `limits` belong to; targets with the same one share them."""
    limits: Limits = NO_LIMITS
    connection_id: str = ""
    breaker: BreakerRules | None = None
    """When the connection's circuit breaker opens; None: it has none."""
    circuit: Circuit | None = None
    """The breaker as it was when the target was chosen; None: it has never seen a failure."""
    patience: Patience = NO_PATIENCE
    revision: int = 0
    """Of the connection, when the target was chosen."""
    cache_seconds: float = 0
    """How long an answer may be given again to the same request; 0: not at all."""
    places: tuple[str, ...] = ()
    """What is measured with it, where calls are spread over several (`orchestra.llm.balance`)."""
    why: str = ""
    """Why this target was chosen, where there was a choice."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the text, the parsed JSON if a schema was asked for, tokens and cost of all re-asks."""

    text: str
    data: Any
    model: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost: float
    connection: str = ""
    history: Sequence[str] = ()
    """What happened on the way, for the curious: fallbacks taken, re-asks."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls that the model wants answered first; the text is then not its last word and was not checked."""
