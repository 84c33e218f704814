"""`ai_orchestra.v2.ModernAgentService`: the six calls against a real server, and the Python agent over it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.management import CommandError, call_command

from apps.accounts.actions import create_api_key
from apps.accounts.models import Team, User
from apps.agents import actions as registry
from apps.runs.actions import start_run
from apps.runs.rpc.messages import SERVICE, message, packed, unpacked
from apps.runs.rpc.server import make_server
from tests.house.conftest import ROOT
from tests.needs import need
from tests.running import wait_for_end
from tests.runs.remote_agent import in_thread

sys.path.append(str(ROOT / "sdk" / "python"))
from orchestra_agent import Agent
from orchestra_agent.grpc_door import GrpcDoor
from orchestra_agent.links import Registration, Unreachable

WORKFLOW = """
orchestra: 1
nodes:
  count: {kind: agent, settings: {task: "one two three", requires: [count]}}
output: "{{ nodes.count.output }}"
"""
PATIENCE_SECONDS = 30.0
pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server, port = make_server("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture
def token(team: Team, editor: User) -> str:
    return registry.create_agent_token(team=team, name="Fleet", by=editor)[1]


@pytest.fixture
def key(team: Team, editor: User) -> str:
    return create_api_key(user=editor, team=team, name="k", scopes=["run"])[1]


class Calls:
    """The service as a client without generated code sees it."""

    def __init__(self, address: str, secret: str) -> None:
        self.channel = grpc.aio.insecure_channel(address)
        self.metadata = (("authorization", f"Bearer {secret}"),)

    async def __aenter__(self) -> Calls:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def call(self, name: str, request: Any, answer: str, shape: str = "unary_stream") -> Any:
        made = getattr(self.channel, shape)(
            f"/{SERVICE}/{name}",
            request_serializer=lambda given: given.SerializeToString(),
            response_deserializer=message(answer).FromString,
        )
        return made(request, metadata=self.metadata, timeout=PATIENCE_SECONDS)


async def test_the_python_agent_works_over_grpc(
    address: str, token: str, publish_workflow: Any, editor: User
) -> None:
    workflow = await in_thread(publish_workflow)(WORKFLOW)
    agent = Agent("", token=token, name="Counter", capabilities=["count"], door=GrpcDoor(address))

    @agent.handler
    async def count(assignment: Any) -> Any:
        await assignment.say("counting")
        await assignment.progress(0.5, "half")
        return {"data": {"words": len(assignment.task.split())}}

    working = asyncio.ensure_future(agent.work())
    run = await in_thread(lambda: start_run(workflow=workflow, input={}, by=editor))()
    await asyncio.to_thread(wait_for_end, run)
    agent.drain()
    await asyncio.wait_for(working, PATIENCE_SECONDS)

    assert (run.status, run.output["data"], run.output["agent"]) == ("succeeded", {"words": 3}, "counter")


async def test_agents_register_beat_and_are_listed(address: str, token: str, key: str) -> None:
    wish = message("RegisterAgentRequest")(name="Counter", capabilities=["count;words=10"], slots=2)
    async with Calls(address, token) as calls:
        registered = await calls.call("RegisterAgent", wish, "RegisterAgentResponse", "unary_unary")
    async with Calls(address, registered.key) as calls:
        beats = calls.call("StreamHeartbeat", beat_once(), "HeartbeatResponse", "stream_stream")
        answered = [one async for one in beats]
    async with Calls(address, key) as calls:
        wanted = message("ListAgentsRequest")(requires=["count;words=5"])
        listed = [one async for one in calls.call("ListAgents", wanted, "Agent")]
        too_many = message("ListAgentsRequest")(requires=["count;words=50"])
        none = [one async for one in calls.call("ListAgents", too_many, "Agent")]
        snapshot = await anext(
            aiter(calls.call("GetRealTimeMetrics", message("MetricsRequest")(), "MetricsSnapshot"))
        )

    assert [one.status for one in answered] == [1]
    assert [(one.name, one.status, one.resources.cpu_usage, one.performance.slots) for one in listed] == [
        ("Counter", 1, 0.5, 2)
    ]
    assert none == []
    assert dict(snapshot.agents_by_status) == {"online": 1}


async def beat_once() -> AsyncIterator[Any]:
    beat = message("HeartbeatMessage")()
    beat.resources.cpu_usage = 0.5
    yield beat


async def test_a_task_is_assigned_and_followed(address: str, key: str, publish_workflow: Any) -> None:
    workflow = await in_thread(publish_workflow)(
        "orchestra: 1\ninputs: {type: object}\nnodes: {a: {kind: transform, settings: {value: 1}}}"
    )
    async with Calls(address, key) as calls:
        request = message("AssignTaskRequest")(workflow=workflow.slug)
        request.input.update({"n": 1})
        events = [event async for event in calls.call("AssignTask", request, "TaskEvent")]
        missing = message("AssignTaskRequest")(workflow="none")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [event async for event in calls.call("AssignTask", missing, "TaskEvent")]

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "run.succeeded"
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_every_call_asks_who_it_is(address: str, token: str) -> None:
    calls_of = {
        "RegisterAgent": ("RegisterAgentRequest", "RegisterAgentResponse", "unary_unary"),
        "AssignTask": ("AssignTaskRequest", "TaskEvent", "unary_stream"),
        "ListAgents": ("ListAgentsRequest", "Agent", "unary_stream"),
        "GetRealTimeMetrics": ("MetricsRequest", "MetricsSnapshot", "unary_stream"),
    }
    codes = {}
    async with Calls(address, "ork_wrong") as calls:
        for name, (request, answer, shape) in calls_of.items():
            call = calls.call(name, message(request)(), answer, shape)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await (call if shape == "unary_unary" else anext(aiter(call)))
            codes[name] = caught.value.code()
        for name, answer in (
            ("StreamHeartbeat", "HeartbeatResponse"),
            ("TaskBidirectionalStream", "TaskMessage"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(calls.call(name, beat_once(), answer, "stream_stream")))
            codes[name] = caught.value.code()

    assert set(codes.values()) == {grpc.StatusCode.UNAUTHENTICATED}
    assert len(codes) == 6


def test_a_message_comes_back_as_it_went() -> None:
    said = {
        "type": "assignment",
        "id": "x",
        "priority": 2,
        "payload": {"task": "t", "list": [1, 2.5, None, True]},
    }

    made = packed(said, "agent")

    assert (made.task_id, made.agent_id, made.priority) == ("x", "agent", 2)
    assert unpacked(made) == said


def test_the_descriptors_are_those_of_the_source() -> None:
    checked = subprocess.run([sys.executable, str(ROOT / "tools" / "make_proto.py"), "--check"], check=False)

    assert checked.returncode == 0


def test_a_server_that_cannot_start_says_so(settings: Any) -> None:
    settings.ORCHESTRA_GRPC_CERTIFICATE = settings.ORCHESTRA_GRPC_KEY = "/nowhere/at-all.pem"

    with pytest.raises(CommandError, match="cannot start"):
        call_command("agentgrpc", "--port", "0")


async def test_with_a_certificate_it_is_tls(tmp_path: Path, token: str) -> None:
    openssl = shutil.which("openssl")
    need(openssl, "There is no openssl on the path: TLS is not tried.")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [str(openssl), *words, "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    server, port = make_server("127.0.0.1:0", certificate=str(certificate), key=str(key))
    await server.start()
    door, plain = GrpcDoor(f"localhost:{port}", str(certificate)), GrpcDoor(f"localhost:{port}")
    registration = Registration("Counter", ["count"], 1)

    secret = await door.register(token, registration)
    with pytest.raises(Unreachable):
        await plain.register(token, registration)

    assert secret.startswith("ora_")
    await door.close()
    await plain.close()
    await server.stop(0)
