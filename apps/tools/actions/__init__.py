"""Every write to tools and their servers, called by the pages, the API and the admin alike."""

from apps.tools.actions.importing import import_openapi
from apps.tools.actions.offers import ServerTest, accept_tool, test_server
from apps.tools.actions.servers import create_server, delete_server, update_server
from apps.tools.actions.testing import ToolTest, test_tool
from apps.tools.actions.tools import create_workflow_tool, delete_tool, update_tool

__all__ = [
    "ServerTest",
    "ToolTest",
    "accept_tool",
    "create_server",
    "create_workflow_tool",
    "delete_server",
    "delete_tool",
    "import_openapi",
    "test_server",
    "test_tool",
    "update_server",
    "update_tool",
]
