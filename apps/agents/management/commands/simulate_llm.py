"""Serve the simulated model over HTTP, in the OpenAI and the Anthropic dialect."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from aiohttp import web
from django.core.management.base import BaseCommand, CommandError

from orchestra.llm.script import script_from
from orchestra.llm.server import make_app


class Command(BaseCommand):
    help = (
        "Serve the simulated model in every dialect: chat completions, responses and messages under /v1, Gemini under "
        "/v1beta, Ollama without a path. It needs no key."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8089, help="port (default: %(default)s)")
        parser.add_argument("--latency", type=float, default=0.15, help="seconds to the first token")
        parser.add_argument(
            "--tps", type=float, help="tokens per second; 0: at once; default 60-120, by the prompt"
        )
        parser.add_argument(
            "--fail",
            default="",
            help="how the first attempts fail: 429:5,500,cut:1,silence,html,error,badjson,badutf8,refuse,ok",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {key: options[key] for key in ("latency", "tps", "fail") if options[key] is not None}
        place = f"{options['host']}:{options['port']}"

        def tell(_text: str) -> None:
            """Say where it answers, once it does."""
            self.stdout.write(f"The simulated model answers at http://{place}/v1 (stop with Ctrl-C).")
            self.stdout.write(f"As Gemini: http://{place}/v1beta. As Ollama: http://{place}.")
            self.stdout.write(f"To let Orchestra call it: ORCHESTRA_ALLOWED_HOSTS_OUT={place}")
            self.stdout.flush()

        try:
            web.run_app(
                make_app(script_from(chosen)),
                host=options["host"],
                port=options["port"],
                backlog=4096,
                access_log=None,
                print=tell,
            )
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {place}: {error}. Choose another with --port.") from error
