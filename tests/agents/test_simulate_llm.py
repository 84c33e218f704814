"""`manage.py simulate_llm`: a provider on this machine, from the command line."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from aiohttp import web
from django.core.management import CommandError, call_command

from apps.agents.management.commands import simulate_llm
from orchestra.llm.script import Script
from orchestra.llm.server import SCRIPT


def test_the_command_serves_with_the_given_script(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    served: dict[str, Any] = {}

    def run_app(app: web.Application, **options: Any) -> None:
        served.update(options, script=app[SCRIPT])
        options["print"]("Running")

    monkeypatch.setattr(simulate_llm.web, "run_app", run_app)

    call_command("simulate_llm", "--port=9999", "--latency=0", "--tps=5", "--fail=429:1,cut:2")

    assert served["script"] == Script(latency=0.0, tps=5.0, fail=("429:1", "cut:2"))
    assert (served["host"], served["port"]) == ("127.0.0.1", 9999)
    assert "http://127.0.0.1:9999/v1" in capsys.readouterr().out


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]

        with pytest.raises(CommandError, match=f"Cannot listen on 127.0.0.1:{port}: .*Choose another"):
            call_command("simulate_llm", f"--port={port}")
