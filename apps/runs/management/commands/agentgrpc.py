"""`agentgrpc`: serve remote agents over gRPC (`ai_orchestra.v2.ModernAgentService`)."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serve remote agents over gRPC; ORCHESTRA_GRPC_PORT, ORCHESTRA_GRPC_CERTIFICATE and _KEY say where and how."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.ORCHESTRA_GRPC_PORT, help="0: any free one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(self._serve(f"{options['host']}:{options['port']}"))
        except (OSError, RuntimeError) as error:
            raise CommandError(f"The gRPC server cannot start: {error}") from error

    async def _serve(self, address: str) -> None:
        from apps.runs.rpc.server import GRACE_SECONDS, make_server

        server, port = make_server(
            address, certificate=settings.ORCHESTRA_GRPC_CERTIFICATE, key=settings.ORCHESTRA_GRPC_KEY
        )
        await server.start()
        self.stdout.write(f"gRPC at port {port}")
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await server.stop(GRACE_SECONDS)
