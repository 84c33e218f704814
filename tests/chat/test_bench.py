"""The test bench of an agent: a real run, its steps from the journal while it works and from its end after."""

from __future__ import annotations

from typing import Any

from django.test import Client

from apps.accounts.models import Team, User
from apps.agents.actions import create_agent
from apps.runs.actions.journal import write
from apps.runs.models import NodeRun, Run

MODEL = {
    "step": 1, "type": "model", "model": "simulated-1", "text": "I count.", "calls": ["count_words", "fibo"],
    "input_tokens": 12, "output_tokens": 5, "cost": 0.25, "seconds": 0.1,
}  # fmt: skip
CALLS = [
    {"id": "a", "name": "count_words", "arguments": '{"text": "a b"}'},
    {"id": "b", "name": "fibo", "arguments": '{"n": 77}'},
]
COUNTED = {
    "step": 1, "type": "tool", "tool": "count_words", "arguments": '{"text": "a b"}', "result": "two words",
    "error": None, "seconds": 0.2,
}  # fmt: skip


def test_an_agent_is_tried_and_each_step_is_shown(
    browse: Client, team: Team, editor: User, make_user: Any
) -> None:
    create_agent(team=team, name="Counter", by=editor)
    empty = browse.post("/agents/counter/try/", {"text": " "})
    begun = browse.post("/agents/counter/try/", {"text": "How many words?"})
    run = Run.objects.get()
    row = NodeRun.objects.get(run=run, path="answer")
    write(str(run.pk), "answer", 0, "m1", {"digest": "x", "text": "I count.", "calls": CALLS, "step": MODEL})
    write(str(run.pk), "answer", 0, "t1.0", {"digest": "y", "told": "2", "step": COUNTED})
    address = begun.headers["Location"]
    working = " ".join(browse.get(address).content.decode().split())
    NodeRun.objects.filter(pk=row.pk).update(status="succeeded", output={"text": "Two.", "steps": [COUNTED]})
    Run.objects.update(status="succeeded", output={"text": "**Two.**", "steps": []}, cost=0.25)
    done = browse.get(address, headers={"X-Requested-With": "fetch"}).content.decode()

    assert empty.status_code == 422
    assert (run.workflow.slug, run.tags, run.input["agent"]) == ("test-bench", ["bench"], "counter")
    assert "two words" in working
    assert "77" in working
    assert "No result yet." in working
    assert "12 in, 5 out" in working
    assert "<strong>Two.</strong>" in done
    assert "No result yet." not in done
    assert "<html" not in done
    assert 'data-is-final="1"' in done
    assert browse.get("/agents/counter/try/?run=nonsense").status_code == 404


def test_who_may_only_look_tries_nothing(client: Client, team: Team, editor: User, viewer: User) -> None:
    create_agent(team=team, name="Counter", by=editor)
    client.force_login(viewer)

    refused = client.post("/agents/counter/try/", {"text": "Go"})

    assert refused.status_code in (403, 422)
    assert not Run.objects.exists()
    assert "<textarea" not in client.get("/agents/counter/try/").content.decode()
