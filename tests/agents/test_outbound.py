"""The operator's exceptions for outbound requests hold for the team that they name, and for no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from apps.accounts.models import Membership, Role, Team, User
from apps.agents.actions import create_connection
from apps.agents.outbound import allowed_out
from apps.agents.targets import resolve_targets
from apps.runs.actions import start_run
from orchestra.errors import InvalidInput
from tests.running import wait_for_end

LOCAL = "http://10.0.0.5:11434/v1"


@pytest.fixture
def other(editor: User) -> Team:
    made: Team = Team.objects.create(name="Others", slug="others")
    Membership.objects.create(user=editor, team=made, role=Role.EDITOR)
    editor.roles[made.pk] = Role.EDITOR
    return made


def test_an_entry_holds_for_every_team_or_for_the_one_it_names(settings: Any) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({"cache.lan:80", "red=10.0.0.5:11434", "blue = X.lan:1"})

    assert allowed_out("red") == {"cache.lan:80", "10.0.0.5:11434"}
    assert allowed_out("blue") == {"cache.lan:80", "x.lan:1"}
    assert allowed_out("green") == {"cache.lan:80"}


@pytest.mark.django_db
def test_a_connection_may_lead_inside_for_the_named_team_only(
    team: Team, editor: User, other: Team, settings: Any
) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({f"{team.slug}=10.0.0.5:11434"})
    fields: dict[str, Any] = {"dialect": "openai", "base_url": LOCAL, "default_model": "m", "by": editor}

    create_connection(team=team, name="Local", **fields)
    with pytest.raises(InvalidInput) as refused:
        create_connection(team=other, name="Local", **fields)

    assert [problem.code for problem in refused.value.problems] == ["address_not_allowed"]
    [target] = resolve_targets(team.pk, {})
    assert vars(target.client)["_http"].allow == {"10.0.0.5:11434"}


@pytest.fixture
def place() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"inside")

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_http_node_reaches_inside_for_the_named_team_only(
    worker: Any, place: str, publish_workflow: Any, editor: User, team: Team, other: Team, settings: Any
) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({f"{team.slug}={place}"})
    definition = {
        "orchestra": 1,
        "nodes": {"ask": {"kind": "http", "settings": {"url": f"http://{place}/"}}},
        "output": "{{ nodes.ask.output.body }}",
    }

    own, foreign = (
        wait_for_end(start_run(workflow=publish_workflow(definition, into=into), input={}, by=editor))
        for into in (team, other)
    )

    assert (own.status, own.output) == ("succeeded", "inside"), own.error
    assert foreign.status == "failed"
    assert foreign.node_runs.get().error["code"] == "address_not_allowed"
