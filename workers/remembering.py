"""Answers of models that a connection with `cache_seconds` gives again: found in the team's cache, at no cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from apps.runs.actions import cache
from orchestra.engine.outcome import Done
from orchestra.llm.client import Chunk, Finish, ModelRequest, TextDelta
from orchestra.llm.remembered import answer_as_json, chunks_of, fingerprint

if TYPE_CHECKING:
    from workers.calls import AdmittedClient

KIND = "call"
"""Of the entries in the cache."""


class RememberingClient:
    """A client that asks the cache first, and keeps whole answers in it."""

    def __init__(self, client: AdmittedClient) -> None:
        self.client = client
        self.context = client.context
        self.team = client.context.claimed.facts.team
        self.seconds = client.target.cache_seconds

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield a stored answer, or the client's chunks. Raises as the client does."""
        target = self.client.target
        key = fingerprint(f"{target.connection_id}/{target.revision}", request)
        found: Done | None = await self.context.in_database(lambda: cache.find_result(self.team, key))
        if found is not None:
            self.client.note(is_cached=True)
            for chunk in chunks_of(found.output):
                yield chunk
            return
        texts: list[str] = []
        async with aclosing(self.client.stream(request)) as chunks:  # type: ignore[type-var]  # it yields from a generator
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    texts.append(chunk.text)
                elif isinstance(chunk, Finish):
                    await self._keep(key, answer_as_json(texts, chunk))
                yield chunk

    async def _keep(self, key: str, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            done = Done(answer)
            await self.context.in_database(
                lambda: cache.keep_result(self.team, key, KIND, done, self.seconds)
            )
