"""A client of an Orchestra installation, on nothing but the standard library.

client = Client("https://orchestra.example.org", key="ok_…")
run = client.start("greeting", {"name": "Ada"})
for event in client.stream.events(run.id):
    print(event.type, event.node)
print(client.run(run.id).output)
"""

from orchestra_client.client import Client
from orchestra_client.errors import ApiError, ConnectionFailed
from orchestra_client.shapes import Event, NodeRun, Problem, Run, Usage, UsageLine, Workflow

__all__ = [
    "ApiError",
    "Client",
    "ConnectionFailed",
    "Event",
    "NodeRun",
    "Problem",
    "Run",
    "Usage",
    "UsageLine",
    "Workflow",
]
