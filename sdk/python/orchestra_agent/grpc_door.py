"""The way in over gRPC (`ai_orchestra.v2.ModernAgentService`): the same messages as over the WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.struct_pb2 import Struct

from orchestra_agent.links import KeyEnded, Link, NotLetIn, Registration, Replaced, Unreachable

PACKAGE = "ai_orchestra.v2"
SERVICE = f"/{PACKAGE}.ModernAgentService"
LONGEST = 4 * 1024 * 1024
OPTIONS = [
    ("grpc.max_receive_message_length", LONGEST),
    ("grpc.max_send_message_length", LONGEST),
    ("grpc.keepalive_time_ms", 20_000),
]
REGISTER_SECONDS = 30
TRY_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL}


def _messages() -> tuple[Any, Any, Any]:
    """Return the classes of RegisterAgentRequest, RegisterAgentResponse and TaskMessage."""
    path = Path(__file__).with_name("modern_agent_service.binpb")
    pool = DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file:
        pool.Add(one)
    names = ("RegisterAgentRequest", "RegisterAgentResponse", "TaskMessage")
    found = [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in names
    ]
    return found[0], found[1], found[2]


class GrpcDoor:
    """`address` is host:port; with the file of a certificate to trust it is TLS."""

    def __init__(self, address: str, authority: str = "") -> None:
        self._address = address
        self._authority = authority
        self._channel: Any = None
        self._request, self._response, self._task = _messages()

    async def register(self, token: str, registration: Registration) -> str:
        call = self._opened().unary_unary(
            f"{SERVICE}/RegisterAgent",
            request_serializer=self._request.SerializeToString,
            response_deserializer=self._response.FromString,
        )
        try:
            answer = await call(
                self._request(**registration.as_json()), metadata=_bearer(token), timeout=REGISTER_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in TRY_AGAIN:
                raise Unreachable(error.details() or "") from error
            raise NotLetIn(f"Registering was refused ({error.code().name}): {error.details()}") from error
        return str(answer.key)

    async def connect(self, key: str) -> Link:
        call = self._opened().stream_stream(
            f"{SERVICE}/TaskBidirectionalStream",
            request_serializer=self._task.SerializeToString,
            response_deserializer=self._task.FromString,
        )
        return GrpcLink(call, key, self._task)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    def _opened(self) -> Any:
        if self._channel is None and self._authority:
            trusted = grpc.ssl_channel_credentials(Path(self._authority).read_bytes())
            self._channel = grpc.aio.secure_channel(self._address, trusted, options=OPTIONS)
        elif self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=OPTIONS)
        return self._channel


class GrpcLink:
    def __init__(self, call: Any, key: str, task: Any) -> None:
        self._task = task
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._call = call(self._said(), metadata=_bearer(key))
        self._heard = self._call.__aiter__()

    async def send(self, message: Mapping[str, Any]) -> None:
        if self._call.done():
            raise Unreachable("The stream has ended.")
        struct = Struct()
        json_format.ParseDict(dict(message), struct)
        made = self._task(task_id=str(message.get("id") or ""), type=1)
        made.payload.Pack(struct)
        made.timestamp.GetCurrentTime()
        self._outbox.put_nowait(made)

    async def receive(self) -> Mapping[str, Any]:
        try:
            given = await self._heard.__anext__()
        except StopAsyncIteration:
            raise Unreachable("The stream has ended.") from None
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise KeyEnded from error
            if error.code() == grpc.StatusCode.ABORTED:
                raise Replaced(error.details()) from error
            raise Unreachable(error.details() or error.code().name) from error
        struct = Struct()
        given.payload.Unpack(struct)
        found: dict[str, Any] = _whole(json.loads(json_format.MessageToJson(struct)))
        return found

    async def close(self) -> None:
        self._outbox.put_nowait(None)
        self._call.cancel()

    async def _said(self) -> AsyncIterator[Any]:
        while (message := await self._outbox.get()) is not None:
            yield message


def _bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def _whole(value: Any) -> Any:
    """Return numbers without a fraction as whole ones: a Struct knows one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return value
