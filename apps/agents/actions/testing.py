"""Trying a connection: does its provider answer, does it take the secret, which models does it offer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.agents.models import Connection, Dialect
from apps.agents.outbound import allowed_out, team_name
from apps.agents.providers import make_client
from orchestra.errors import ModelRefused, NodeFailure
from orchestra.llm.client import Message, ModelRequest
from orchestra.llm.provider import ProviderClient
from orchestra.llm.simulated import MODELS
from orchestra.llm.wire import NotServed
from orchestra.net import Limits, Outbound

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """How the test went: `code`, `message` and `hint` say what to do when it is not ok."""

    is_ok: bool
    seconds: float
    models: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""


def test_connection(*, connection: Connection, by: User) -> ConnectionTest:
    """Ask the provider for its models, within SECONDS; one that has no list of them gets one short question.

    Changes nothing. Raises NotPermitted; what the provider does wrong is in the result.
    """
    require(by, connection.team_id, Role.EDITOR)
    started = time.monotonic()
    try:
        models = _all_models(connection)
    except NodeFailure as error:
        seconds = time.monotonic() - started
        return ConnectionTest(False, seconds, code=error.code, message=error.message, hint=error.hint)
    return ConnectionTest(True, time.monotonic() - started, models=tuple(models))


def _all_models(connection: Connection) -> list[str]:
    """Return what a connection offers; of a group: what all members offer. Raises NodeFailure, naming the member."""
    allow = allowed_out(team_name(connection.team_id))
    if connection.dialect != Dialect.GROUP:
        return asyncio.run(_models(connection, allow))
    entries = connection.options.get("members") or ()
    slugs = [one if isinstance(one, str) else one["connection"] for one in entries]
    members = Connection.objects.filter(team_id=connection.team_id, slug__in=slugs)
    found: set[str] = set()
    for member in members.exclude(dialect=Dialect.GROUP):
        try:
            found.update(asyncio.run(_models(member, allow)))
        except NodeFailure as error:
            error.message = f"{member.slug}: {error.message}"
            raise
    if not found:
        raise ModelRefused("The group has no members.")
    return sorted(found)


async def _models(connection: Connection, allow: frozenset[str]) -> list[str]:
    async with Outbound(allow=allow, limits=Limits(total_seconds=SECONDS)) as http:
        client = make_client(connection, http)
        if not isinstance(client, ProviderClient):
            return list(MODELS)
        try:
            return await client.models()
        except NotServed:
            if not connection.default_model:
                raise
            await _question(client, connection.default_model)
            return [connection.default_model]


async def _question(client: ProviderClient, model: str) -> None:
    request = ModelRequest(
        model=model, messages=(Message("user", "Say OK."),), max_tokens=16, timeout=SECONDS
    )
    async for _ in client.stream(request):
        pass
