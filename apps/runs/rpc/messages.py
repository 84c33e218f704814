"""The messages of `ai_orchestra.v2.ModernAgentService`, read from the descriptors that tools/make_proto.py makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.struct_pb2 import Struct

from apps.agents.models import Agent
from apps.agents.standing import state_of

PACKAGE = "ai_orchestra.v2"
SERVICE = f"{PACKAGE}.ModernAgentService"
DESCRIPTORS = Path(__file__).with_name("modern_agent_service.binpb")


@lru_cache(maxsize=1)
def _pool() -> Any:
    found = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    pool = DescriptorPool()
    for one in found.file:
        pool.Add(one)
    return pool


def service() -> Any:
    """Return the service's descriptor."""
    return _pool().FindServiceByName(SERVICE)


def message(name: str) -> Any:
    """Return the class of a message of the package."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def status_number(state: str) -> int:
    """Return an agent's state as the number that the wire has for it."""
    values = _pool().FindEnumTypeByName(f"{PACKAGE}.AgentStatus").values_by_name
    return int(values[f"AGENT_STATUS_{state.upper()}"].number)


def agent_message(agent: Agent) -> Any:
    """Return an agent as `Agent`."""
    made = message("Agent")(
        id=str(agent.pk),
        name=agent.name,
        capabilities=agent.capabilities,
        status=status_number(state_of(agent)),
    )
    presence = getattr(agent, "presence", None)
    if presence is None:
        return made
    if presence.seen_at is not None:
        made.last_heartbeat.FromDatetime(presence.seen_at)
    given = presence.resources
    for name, key in (("cpu_usage", "cpu"), ("memory_usage", "memory"), ("disk_usage", "disk")):
        setattr(made.resources, name, given.get(key, 0.0))
    made.resources.network_bytes_in = int(given.get("network_in", 0))
    made.resources.network_bytes_out = int(given.get("network_out", 0))
    made.performance.latency_seconds = presence.latency_seconds or 0.0
    made.performance.success_rate = presence.success
    for name in ("done", "failed", "running", "slots"):
        setattr(made.performance, name, getattr(presence, name))
    return made


def packed(content: Mapping[str, Any], agent: str) -> Any:
    """Return a message of the agents' protocol as `TaskMessage`."""
    payload = AnyMessage()
    struct = Struct()
    json_format.ParseDict(dict(content), struct)
    payload.Pack(struct)
    priority = content.get("priority") if content.get("type") == "assignment" else 0
    made = message("TaskMessage")(
        task_id=str(content.get("id") or ""), agent_id=agent, type=1, priority=int(priority or 0)
    )
    made.payload.type_url, made.payload.value = payload.type_url, payload.value
    made.timestamp.GetCurrentTime()
    return made


def unpacked(given: Any) -> dict[str, Any]:
    """Return the message of the agents' protocol in a `TaskMessage`; whole numbers come back as such."""
    struct = Struct()
    struct.ParseFromString(given.payload.value)
    found: dict[str, Any] = _whole(json.loads(json_format.MessageToJson(struct)))
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return value
