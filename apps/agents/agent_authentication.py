"""How programs prove who they are that register as agents, or are one: `Authorization: Bearer ort_… | ora_…`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from apps.accounts.authentication import LONGEST, SCHEME, Refused
from apps.agents import agent_keys
from apps.agents.models import Agent, AgentToken


@dataclass(frozen=True, slots=True)
class Program:
    """Stands at a request's `user` for a program: it counts requests, and has no rights of a person."""

    pk: str
    is_authenticated: bool = True


class RegistrationAuthentication(BaseAuthentication):
    """A registration token; `request.auth` is the AgentToken."""

    def authenticate(self, request: Request) -> tuple[Program, AgentToken]:
        token = agent_keys.find_token(_bearer(request))
        if token is None:
            raise Refused
        return Program(f"token:{token.pk}"), token

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="agents"'


class AgentAuthentication(BaseAuthentication):
    """The key of a registered agent; `request.auth` is the Agent."""

    def authenticate(self, request: Request) -> tuple[Program, Agent]:
        agent = agent_keys.find_agent(_bearer(request))
        if agent is None:
            raise Refused
        return Program(f"agent:{agent.pk}"), agent

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="agents"'


class _Described(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the base is untyped
    """Tells the API's document what these are."""

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": (self.target.__doc__ or "").split(";")[0]}


class RegistrationDescribed(_Described):  # type: ignore[no-untyped-call]  # the base is untyped
    target_class = RegistrationAuthentication
    name = "registrationToken"


class AgentDescribed(_Described):  # type: ignore[no-untyped-call]  # the base is untyped
    target_class = AgentAuthentication
    name = "agentKey"


def _bearer(request: Request) -> str:
    header = get_authorization_header(request)
    scheme, _, credential = header.partition(b" ")
    if scheme.lower() != SCHEME.lower().encode() or len(header) > LONGEST or not credential.isascii():
        raise Refused
    return credential.decode("ascii").strip()
