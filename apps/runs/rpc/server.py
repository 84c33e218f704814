"""The gRPC server: `ModernAgentService` at a port, with TLS where a certificate is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from apps.runs.rpc.messages import SERVICE, service
from apps.runs.rpc.service import ModernAgentService

LONGEST = 4 * 1024 * 1024
OPTIONS = [
    ("grpc.max_receive_message_length", LONGEST),
    ("grpc.max_send_message_length", LONGEST),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
GRACE_SECONDS = 1.0


def make_server(address: str, *, certificate: str = "", key: str = "") -> tuple[Any, int]:
    """Return a grpc.aio server, not yet started, and its port; with the files of a certificate and a key it is TLS.

    Raises OSError when a file cannot be read, RuntimeError when the port cannot be had.
    """
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([_handlers()])
    if certificate:
        pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
        return server, server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    return server, server.add_insecure_port(address)


def _serialised(answer: Any) -> bytes:
    made: bytes = answer.SerializeToString()
    return made


def _handlers() -> Any:
    """Return the service's calls as handlers, by its descriptor."""
    does = ModernAgentService()
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    handlers = {}
    for method in service().methods:
        make = makers[method.client_streaming, method.server_streaming]
        request = GetMessageClass(method.input_type)
        handlers[method.name] = make(
            getattr(does, method.name),
            request_deserializer=request.FromString,
            response_serializer=_serialised,
        )
    return grpc.method_handlers_generic_handler(SERVICE, handlers)
