"""Serves MCP at `/mcp`: workflows that a team has opted in are tools for other people's agents."""
