"""From a node's settings to the models it may ask, first choice first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from apps.agents.balancing import METERS
from apps.agents.limits import account_of, breaker_of, limits_of, patience_of
from apps.agents.models import Agent, AgentKind, Connection, ConnectionKey, Dialect
from apps.agents.providers import base_url_of, client_for
from orchestra.errors import AddressNotAllowed, ModelRefused
from orchestra.llm.balance import ROUND_ROBIN, Candidate
from orchestra.llm.catalogue import Prices, prices_of
from orchestra.llm.client import ModelTarget
from orchestra.llm.simulated import MODELS
from orchestra.net import check_url

SHOWN_NAMES = 20
MOST_TARGETS = 12


class SwitchedOff(ModelRefused):
    """The agent or connection is switched off."""


def resolve_targets(team_id: UUID | str, settings: Mapping[str, Any], *, user: str = "") -> list[ModelTarget]:
    """Return the targets that `agent`, `connection`, `model` and `fallbacks` name within a team.

    Neither agent nor connection: the team's default connection. A fallback is a connection's short name, or an
    object with any of the three; one that names neither agent nor connection changes the model only. After the
    node's own come the fallbacks that the connections name, and theirs; each target once, at most MOST_TARGETS.
    A group stands for its members, a connection with several keys for each of them, in the order of its strategy;
    `user` is who the strategy `hash` goes by. Targets that are switched off are left out.
    Raises ModelRefused (unknown names, with those that exist; nothing is left), BadCredentials (a secret that cannot
    be read).
    """
    targets: dict[tuple[str, ...], ModelTarget] = {}
    off: list[ModelRefused] = []
    choices = deque(_choices(settings))
    while choices and len(targets) < MOST_TARGETS:
        choice = choices.popleft()
        try:
            agent = _agent(team_id, str(choice["agent"])) if choice.get("agent") else None
            connection = _connection_of(team_id, choice, agent)
            if connection.dialect == Dialect.GROUP:
                choices.extendleft(reversed(_members(team_id, choice, agent, connection, user)))
                continue
            found = _targets(choice, agent, connection, user)
        except ModelRefused as error:
            if not (isinstance(error, SwitchedOff) or choice.get("is_onward")):
                raise
            off.append(error)
            continue
        before = len(targets)
        for target in found:
            key = (target.connection_id, target.model, target.account, str(choice.get("agent") or ""))
            targets.setdefault(key, target)
        if len(targets) > before:
            choices.extend(_onward(connection, found[0].model, choice))
    if not targets:
        raise off[0] if off else ModelRefused("None of the group's members is there and switched on.")
    return list(targets.values())[:MOST_TARGETS]


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


def _members(
    team_id: UUID | str, choice: Mapping[str, Any], agent: Agent | None, group: Connection, user: str
) -> list[Mapping[str, Any]]:
    """Return the choices that a group stands for, in the order of its strategy; groups in groups are passed over."""
    entries = [
        {"connection": one} if isinstance(one, str) else one for one in group.options.get("members") or ()
    ]
    by_slug = {str(one["connection"]): one for one in entries}
    rows = Connection.objects.filter(team_id=team_id, slug__in=by_slug, is_enabled=True)
    known = {str(pk): slug for pk, slug in rows.exclude(dialect=Dialect.GROUP).values_list("pk", "slug")}
    candidates = [
        Candidate(pk, float(by_slug[slug].get("weight") or 1)) for pk, slug in sorted(known.items())
    ]
    if not candidates:
        return []
    strategy = str(group.options.get("strategy") or ROUND_ROBIN)
    ordered, why = METERS.order(strategy, candidates, user)
    own = agent.model if agent and agent.connection_id == group.pk else ""
    return [
        {
            "agent": choice.get("agent"),
            "connection": known[one.id],
            "model": by_slug[known[one.id]].get("model") or choice.get("model") or own,
            "is_onward": True,
            "is_measured": True,
            "why": f"{strategy} in {group.slug}: {why}" if why and not index else "",
        }
        for index, one in enumerate(ordered)
    ]


def _targets(
    choice: Mapping[str, Any], agent: Agent | None, connection: Connection, user: str
) -> list[ModelTarget]:
    """Return the targets of a connection: one for each of its keys, in the order of its strategy."""
    plain = _target(choice, agent, connection)
    if not connection.has_keys:
        return [plain]
    keys: dict[str, ConnectionKey | None] = {
        f"{connection.pk}/{key.pk}": key for key in connection.keys.filter(is_enabled=True)
    }
    weights = {place: key.weight for place, key in keys.items() if key is not None}
    if connection.secret:
        place = f"{connection.pk}/"
        keys[place], weights[place] = None, float(connection.options.get("weight") or 1)
    strategy = str(connection.options.get("strategy") or ROUND_ROBIN)
    candidates = [Candidate(place, weight) for place, weight in sorted(weights.items())]
    ordered, why = METERS.order(strategy, candidates, user)
    return [
        replace(
            plain,
            client=client_for(connection, keys[one.id]),
            account=account_of(connection, keys[one.id]),
            places=(*plain.places, one.id),
            why="; ".join(
                filter(None, (plain.why, _key_words(keys[one.id], strategy, "" if index else why)))
            ),
        )
        for index, one in enumerate(ordered)
    ]


def _key_words(key: ConnectionKey | None, strategy: str, why: str) -> str:
    name = f"key {key.name}" if key else "the connection's own key"
    return f"{name}, {strategy}: {why}" if why else name


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
        revision=connection.revision,
        cache_seconds=float(connection.options.get("cache_seconds") or 0),
        places=(str(connection.pk),) if choice.get("is_measured") else (),
        why=str(choice.get("why") or ""),
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
