"""Who makes a call over gRPC: a registration token, an agent's key or an API key in the metadata."""

from __future__ import annotations

from typing import Any

import grpc
from django.db import DatabaseError
from rest_framework.exceptions import APIException

from apps.accounts.authentication import verify_bearer
from apps.accounts.models import ApiKey, User
from apps.accounts.scopes import Scope, expand
from apps.agents import agent_keys
from apps.agents.models import Agent, AgentToken
from apps.runs.live.database import in_database


def bearer(context: Any) -> str:
    """Return the credential of a call; empty: none."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.lower().startswith("bearer "):
            return value[7:].strip()
    return ""


async def token_of(context: Any) -> AgentToken:
    """Return the registration token of a call, or end the call."""
    found = await _found(context, agent_keys.find_token)
    token: AgentToken = found
    return token


async def agent_of(context: Any) -> Agent:
    """Return the agent that calls, or end the call."""
    found = await _found(context, agent_keys.find_agent)
    agent: Agent = found
    return agent


async def user_of(context: Any, scope: Scope) -> tuple[User, ApiKey]:
    """Return whose API key makes a call, and the key; end the call when it lacks the scope."""
    found = await _found(context, _user)
    user, key = found
    if scope not in expand(key.scopes):
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "This API key lacks the scope for that.")
    return user, key


async def _found(context: Any, find: Any) -> Any:
    try:
        found = await in_database(find, bearer(context))
    except DatabaseError:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "The database is away.")
    if found is None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The credentials are missing, wrong or expired.")
    return found


def _user(text: str) -> tuple[User, ApiKey] | None:
    try:
        user, key = verify_bearer(text)
    except APIException:
        return None
    return (user, key) if isinstance(key, ApiKey) else None
