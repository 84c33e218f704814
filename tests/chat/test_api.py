"""Conversations over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from apps.accounts.models import Team, User
from apps.agents.actions import create_agent
from apps.chat.models import Conversation
from apps.runs.models import Run


def test_a_conversation_from_beginning_to_end(client: Any, team: Team, editor: User) -> None:
    api = APIClient()
    api.force_login(editor)
    create_agent(team=team, name="Writer", by=editor)

    made = api.post("/api/v1/conversations", {"agent": "writer", "when_busy": "reject"}, format="json")
    url = made.headers["Location"]
    said = api.post(f"{url}/messages", {"text": "Hello"}, format="json")
    busy = api.post(f"{url}/messages", {"text": "Again"}, format="json")
    stopped = api.post(f"{url}/stop").json()
    listed = api.get(f"{url}/messages").json()["results"]
    anew = api.post(f"{url}/messages/{listed[0]['id']}/regenerate")
    fork = api.post(f"{url}/messages/{listed[1]['id']}/edit", {"text": "Hi"}, format="json")
    shared = api.post(f"{url}/share").json()["url"]
    public = client.get(shared).content.decode()
    api.delete(f"{url}/share")
    renamed = api.patch(url, {"title": "Greetings"}, format="json").json()

    assert (made.status_code, made.json()["partner"], made.json()["agent"]) == (201, "agent", "writer")
    assert said.status_code == 202
    run = Run.objects.earliest("pk")
    assert run.input["agent"] == "writer"
    assert said.json()["answer"]["events_url"] == f"/api/v1/runs/{run.pk}/events"
    assert (busy.status_code, busy.json()["code"]) == (409, "answer_busy")
    assert stopped == {"stopped": True}
    assert [(one["author"], one["status"]) for one in listed] == [("assistant", "stopped"), ("user", "sent")]
    assert anew.status_code == 202
    assert fork.status_code == 201
    assert "Hello" in public
    assert client.get(shared).status_code == 404
    assert (renamed["title"], renamed["shared_url"]) == ("Greetings", None)
    assert api.delete(url).status_code == 204
    assert Conversation.objects.count() == 1


def test_what_is_asked_for_wrongly_is_said_with_its_place(team: Team, editor: User) -> None:
    api = APIClient()
    api.force_login(editor)

    unknown = api.post("/api/v1/conversations", {"agent": "nobody"}, format="json")
    empty = api.post(
        f"{api.post('/api/v1/conversations', {}, format='json').headers['Location']}/messages",
        {},
        format="json",
    )

    assert (unknown.status_code, unknown.json()["problems"][0]["path"]) == (422, "agent")
    assert empty.status_code == 400
