"""From a connection's row to a client that talks to its provider."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.agents import crypto
from apps.agents.models import Connection, ConnectionKey, Dialect
from apps.agents.outbound import allowed_out, team_name
from orchestra import net
from orchestra.llm.anthropic import AnthropicClient
from orchestra.llm.client import ModelClient
from orchestra.llm.gemini import GeminiClient
from orchestra.llm.ollama import OllamaClient
from orchestra.llm.openai import OpenAIClient
from orchestra.llm.provider import ProviderClient
from orchestra.llm.responses import ResponsesClient
from orchestra.llm.script import Script, script_from
from orchestra.llm.simulated import SimulatedClient

DEFAULT_BASE_URLS: Mapping[str, str] = {
    Dialect.OPENAI: "https://api.openai.com/v1",
    Dialect.RESPONSES: "https://api.openai.com/v1",
    Dialect.ANTHROPIC: "https://api.anthropic.com/v1",
    Dialect.GEMINI: "https://generativelanguage.googleapis.com/v1beta",
    Dialect.OLLAMA: "http://localhost:11434",
    Dialect.SIMULATED: "",
    Dialect.GROUP: "",
}
CLIENTS: Mapping[str, type[ProviderClient]] = {
    Dialect.OPENAI: OpenAIClient,
    Dialect.RESPONSES: ResponsesClient,
    Dialect.ANTHROPIC: AnthropicClient,
    Dialect.GEMINI: GeminiClient,
    Dialect.OLLAMA: OllamaClient,
}
KEPT_CLIENTS = 500

_clients: OrderedDict[tuple[UUID, int, str], ModelClient] = OrderedDict()


def base_url_of(dialect: str, base_url: str) -> str:
    """Return where a connection leads: its base URL, or the dialect's own provider."""
    return base_url or DEFAULT_BASE_URLS[dialect]


def client_for(connection: Connection, further: ConnectionKey | None = None) -> ModelClient:
    """Return the client of a connection; the same one until the connection changes, for it learns on the way.

    `further` is a key to use in place of the connection's own secret. Raises UnreadableSecret.
    """
    key = (connection.pk, connection.revision, (further or connection).secret)
    client = _clients.get(key)
    if client is None:
        client = make_client(
            connection, further=further, http=net.shared(allowed_out(team_name(connection.team_id)))
        )
        _clients[key] = client
        if len(_clients) > KEPT_CLIENTS:
            _clients.popitem(last=False)
    return client


def make_client(
    connection: Connection, http: net.Outbound, further: ConnectionKey | None = None
) -> ModelClient:
    """Return a new client that goes out through `http`. Raises UnreadableSecret."""
    if connection.dialect == Dialect.SIMULATED:
        return SimulatedClient(script_from(connection.options, installation_script()))
    holder = further or connection
    secret = crypto.decrypt(holder.secret, row=holder.pk, field="secret")
    base_url = base_url_of(connection.dialect, connection.base_url)
    return CLIENTS[connection.dialect](http, base_url, secret, connection.options)


def installation_script() -> Script:
    """Return how the simulated model behaves here: ORCHESTRA_SIMULATED, as in `latency=0 tps=0`."""
    text = str(getattr(settings, "ORCHESTRA_SIMULATED", ""))
    pairs: dict[str, Any] = dict(pair.split("=", 1) for pair in text.split() if "=" in pair)
    return script_from(pairs)
