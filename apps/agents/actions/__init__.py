"""Every write to agents and connections, called by the pages, the API, the admin and the commands alike."""

from apps.agents.actions.agents import create_agent, delete_agent, update_agent
from apps.agents.actions.connections import create_connection, delete_connection, update_connection
from apps.agents.actions.testing import ConnectionTest, test_connection

__all__ = [
    "ConnectionTest",
    "create_agent",
    "create_connection",
    "delete_agent",
    "delete_connection",
    "test_connection",
    "update_agent",
    "update_connection",
]
