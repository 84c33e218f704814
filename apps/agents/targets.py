"""From a node's settings to the models it may ask, first choice first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from apps.agents.limits import account_of, breaker_of, limits_of, patience_of
from apps.agents.models import Agent, AgentKind, Connection, Dialect
from apps.agents.providers import base_url_of, client_for
from orchestra.errors import AddressNotAllowed, ModelRefused
from orchestra.llm.catalogue import Prices, prices_of
from orchestra.llm.client import ModelTarget
from orchestra.llm.simulated import MODELS
from orchestra.net import check_url

SHOWN_NAMES = 20
MOST_TARGETS = 12


class SwitchedOff(ModelRefused):
    """The agent or connection is switched off."""


def resolve_targets(team_id: UUID | str, settings: Mapping[str, Any]) -> list[ModelTarget]:
    """Return the targets that `agent`, `connection`, `model` and `fallbacks` name within a team.

    Neither agent nor connection: the team's default connection. A fallback is a connection's short name, or an
    object with any of the three; one that names neither agent nor connection changes the model only. After the
    node's own come the fallbacks that the connections name, and theirs; each target once, at most MOST_TARGETS.
    Targets that are switched off are left out. Raises ModelRefused (unknown names, with those that exist; nothing
    is left), BadCredentials (a secret that cannot be read).
    """
    targets: dict[tuple[str, str, str], ModelTarget] = {}
    off: list[ModelRefused] = []
    choices = deque(_choices(settings))
    while choices and len(targets) < MOST_TARGETS:
        choice = choices.popleft()
        try:
            agent = _agent(team_id, str(choice["agent"])) if choice.get("agent") else None
            connection = _connection_of(team_id, choice, agent)
            target = _target(choice, agent, connection)
        except ModelRefused as error:
            if not (isinstance(error, SwitchedOff) or choice.get("is_onward")):
                raise
            off.append(error)
            continue
        key = (target.connection_id, target.model, str(choice.get("agent") or ""))
        if key not in targets:
            targets[key] = target
            choices.extend(_onward(connection, target.model, choice))
    if not targets:
        raise off[0]
    return list(targets.values())


def _choices(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    first = {key: settings.get(key) for key in ("agent", "connection", "model")}
    found: list[Mapping[str, Any]] = [first]
    for fallback in settings.get("fallbacks") or ():
        if isinstance(fallback, str):
            found.append({"connection": fallback})
        elif isinstance(fallback, Mapping):
            names_place = fallback.get("agent") or fallback.get("connection")
            found.append(fallback if names_place else {**first, "model": fallback.get("model")})
        else:
            raise ModelRefused("A fallback is a connection's name or {agent, connection, model}.")
    return found


def _onward(connection: Connection, model: str, choice: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the choices that a connection names for when it, or this model of it, is away."""
    for entry in connection.options.get("fallbacks") or ():
        onward = {"connection": entry} if isinstance(entry, str) else entry
        if onward.get("for") in (None, "", model):
            place = onward.get("connection") or connection.slug
            yield {
                "agent": choice.get("agent"),
                "connection": place,
                "model": onward.get("model"),
                "is_onward": True,
            }


def _connection_of(team_id: UUID | str, choice: Mapping[str, Any], agent: Agent | None) -> Connection:
    """Return the connection of a choice. Raises ModelRefused."""
    if choice.get("connection"):
        connection = _connection(team_id, str(choice["connection"]))
    else:
        connection = agent.connection if agent and agent.connection else _default(team_id)
    if not connection.is_enabled:
        raise SwitchedOff(f"The connection {connection.slug!r} is switched off.")
    return connection


def _target(choice: Mapping[str, Any], agent: Agent | None, connection: Connection) -> ModelTarget:
    model = _model(choice, agent, connection)
    return ModelTarget(
        client=client_for(connection),
        model=model,
        connection=connection.slug,
        system=agent.instructions if agent else "",
        options=agent.options if agent else {},
        prices=_prices(connection, model),
        agent=agent.slug if agent else "",
        account=account_of(connection),
        limits=limits_of(connection),
        connection_id=str(connection.pk),
        breaker=breaker_of(connection),
        circuit=connection.breaker.circuit if hasattr(connection, "breaker") else None,
        patience=patience_of(connection),
    )


def _agent(team_id: UUID | str, slug: str) -> Agent:
    agents = Agent.objects.filter(team_id=team_id)
    agent: Agent | None = agents.select_related("connection__breaker").filter(slug=slug).first()
    if agent is None:
        raise ModelRefused(f"There is no agent {slug!r}. {_there_are(agents)}")
    if not agent.is_enabled:
        raise SwitchedOff(f"The agent {slug!r} is switched off.")
    if agent.kind == AgentKind.REMOTE:
        raise ModelRefused(f"The agent {slug!r} works elsewhere: only nodes of the kind `agent` can ask it.")
    return agent


def _connection(team_id: UUID | str, slug: str) -> Connection:
    connections = Connection.objects.filter(team_id=team_id)
    connection: Connection | None = connections.select_related("breaker").filter(slug=slug).first()
    if connection is None:
        raise ModelRefused(f"There is no connection {slug!r}. {_there_are(connections)}")
    return connection


def _default(team_id: UUID | str) -> Connection:
    connections = Connection.objects.filter(team_id=team_id)
    connection: Connection | None = connections.select_related("breaker").filter(is_default=True).first()
    if connection is None:
        raise ModelRefused(f"The team has no default connection. {_there_are(connections)}")
    return connection


def _model(choice: Mapping[str, Any], agent: Agent | None, connection: Connection) -> str:
    own = agent.model if agent and (agent.connection_id in (None, connection.pk)) else ""
    model = str(choice.get("model") or own or connection.default_model)
    if not model and connection.dialect == Dialect.SIMULATED:
        return MODELS[0]
    if not model:
        raise ModelRefused(f"No model is named, and the connection {connection.slug!r} has no default model.")
    return model


def _prices(connection: Connection, model: str) -> Prices:
    """Return the prices of a model here: the connection's own, none on own hardware, else the catalogue's."""
    own = connection.options.get("prices")
    given = own.get(model) if isinstance(own, Mapping) else None
    if isinstance(given, (list, tuple)) and len(given) == 2:
        return float(given[0]), float(given[1])
    base_url = base_url_of(connection.dialect, connection.base_url)
    if connection.dialect == Dialect.SIMULATED or _is_inside(base_url):
        return 0.0, 0.0
    return prices_of(model, base_url) or (0.0, 0.0)


def _is_inside(base_url: str) -> bool:
    """Say whether a base URL leads to this machine or network by its spelling."""
    try:
        host = check_url(base_url).host or ""
    except AddressNotAllowed:
        return True
    return "." not in host and ":" not in host


def _there_are(rows: Any) -> str:
    names = list(
        rows.filter(is_enabled=True).order_by("slug").values_list("slug", flat=True)[: SHOWN_NAMES + 1]
    )
    if not names:
        return "There are none yet."
    more = ", …" if len(names) > SHOWN_NAMES else ""
    return f"There are: {', '.join(names[:SHOWN_NAMES])}{more}."
