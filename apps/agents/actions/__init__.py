"""Every write to agents and connections, called by the pages, the API, the admin and the commands alike."""

from apps.agents.actions.agents import create_agent, delete_agent, update_agent
from apps.agents.actions.breakers import close_breaker
from apps.agents.actions.connections import create_connection, delete_connection, update_connection
from apps.agents.actions.keys import add_key, remove_key, update_key
from apps.agents.actions.remote import (
    Registered,
    create_agent_token,
    drain_agent,
    note_gone,
    note_sign_of_life,
    register_agent,
    revoke_agent_token,
    switch_agent,
)
from apps.agents.actions.testing import ConnectionTest, test_connection

__all__ = [
    "ConnectionTest",
    "Registered",
    "add_key",
    "close_breaker",
    "create_agent",
    "create_agent_token",
    "create_connection",
    "delete_agent",
    "delete_connection",
    "drain_agent",
    "note_gone",
    "note_sign_of_life",
    "register_agent",
    "remove_key",
    "revoke_agent_token",
    "switch_agent",
    "test_connection",
    "update_agent",
    "update_connection",
    "update_key",
]
