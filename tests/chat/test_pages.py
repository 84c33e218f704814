"""The pages of the chat, as they work without any script."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from apps.accounts.models import Role, Team, User
from apps.chat.models import Conversation
from apps.runs.models import Run
from tests.chat.conftest import log_of
from tests.portal.markup import Page

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png) **bold**"


def test_a_conversation_is_begun_carried_on_and_deleted(browse: Client, team: Team) -> None:
    begun = browse.post("/chat/", {"partner": "model", "text": "Hello"})
    talk = Conversation.objects.get()
    writing = browse.get(begun.headers["Location"]).content.decode()
    step = {"type": "tool", "tool": "count_words", "arguments": "{}", "result": "3", "seconds": 0.1}
    Run.objects.update(status="succeeded", output={"text": "Hi **there**", "steps": [step]})
    done = browse.get(f"/chat/{talk.pk}/").content.decode()
    browse.post(f"/chat/{talk.pk}/change/", {"title": "New name", "when_busy": "reject"})
    listed = browse.get("/chat/").content.decode()
    browse.post(f"/chat/{talk.pk}/delete/")

    run = Run.objects.get()
    assert f'data-chat-writing="/api/v1/runs/{run.pk}/events"' in writing
    assert 'http-equiv="refresh"' in writing
    assert "<strong>there</strong>" in done
    assert "count_words" in done
    assert 'http-equiv="refresh"' not in done
    assert "New name" in listed
    assert not Conversation.objects.exists()


def test_what_models_write_is_made_harmless(
    browse: Client, talk: Conversation, say: Any, answer: Any
) -> None:
    say(HOSTILE)
    answer(HOSTILE)

    page = browse.get(f"/chat/{talk.pk}/").content.decode()
    part = browse.post("/chat/render/", {"text": HOSTILE}).content.decode()

    for html in (page, part):
        assert "<script>alert" not in html
        assert 'href="javascript' not in html
        assert '<img src="https://evil' not in html
        assert "<strong>bold</strong>" in html


def test_a_refused_message_is_given_back(browse: Client, talk: Conversation, say: Any) -> None:
    Conversation.objects.update(when_busy="reject")
    say("One?")

    page = browse.post(f"/chat/{talk.pk}/send/", {"text": "Two?"})
    part = browse.post(f"/chat/{talk.pk}/send/", {"text": "Two?"}, headers={"X-Part": "log"})

    assert page.status_code == part.status_code == 409
    assert ">Two?</textarea>" in page.content.decode()
    assert "being written" in part.content.decode()
    assert part.headers["Content-Type"].startswith("text/plain")


def test_a_script_gets_the_log_alone(browse: Client, talk: Conversation) -> None:
    part = browse.post(f"/chat/{talk.pk}/send/", {"text": "One?"}, headers={"X-Part": "log"})
    stopped = browse.post(f"/chat/{talk.pk}/stop/", headers={"X-Part": "log"})

    assert "<html" not in part.content.decode()
    assert 'data-is-writing="1"' in part.content.decode()
    assert 'data-message-status="stopped"' in stopped.content.decode()


def test_anew_and_edit_work_from_the_page(browse: Client, talk: Conversation, say: Any, answer: Any) -> None:
    said = say("One?")
    answer("First.")
    browse.get(f"/chat/{talk.pk}/")
    last = talk.messages.get(author="assistant")
    browse.post(f"/chat/{talk.pk}/{last.pk}/regenerate/")
    forked = browse.post(f"/chat/{talk.pk}/{said.pk}/edit/", {"text": "Other?"}, follow=True)

    assert log_of(talk)[-1][1] == "writing"
    assert "Other?" in forked.content.decode()
    assert Conversation.objects.count() == 2


def test_only_the_link_opens_a_shared_conversation_and_shows_the_texts_alone(
    browse: Client, talk: Conversation, say: Any, answer: Any, editor: User
) -> None:
    say("One?")
    answer("First.")
    browse.get(f"/chat/{talk.pk}/")
    browse.post(f"/chat/{talk.pk}/share/")
    talk.refresh_from_db()
    stranger = Client()
    page = stranger.get(f"/chat/shared/{talk.share_id}/")
    html = page.content.decode()
    browse.post(f"/chat/{talk.pk}/share/", {"off": "1"})

    assert "First." in html
    assert editor.username not in html
    assert "/runs/" not in html
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert stranger.get(f"/chat/shared/{talk.share_id}/").status_code == 404
    assert stranger.get("/chat/shared/None/").status_code == 404


def test_a_conversation_can_be_taken_away_as_a_file(
    browse: Client, talk: Conversation, say: Any, answer: Any
) -> None:
    say("One?")
    answer("First.")

    markdown = browse.get(f"/chat/{talk.pk}/export/")
    data = json.loads(browse.get(f"/chat/{talk.pk}/export/?format=json").content)

    assert 'filename="one.md"' in markdown.headers["Content-Disposition"]
    assert markdown.content.decode().startswith("# One?\n\n## Person · ")
    assert "First." in markdown.content.decode()
    assert [one["text"] for one in data["messages"]] == ["One?", "First."]


def test_conversations_of_others_are_as_good_as_missing(
    talk: Conversation, team: Team, make_user: Any
) -> None:
    other = Client()
    other.force_login(make_user("otto", team, Role.OWNER))

    for path in ("", "log/", "export/"):
        assert other.get(f"/chat/{talk.pk}/{path}").status_code == 404
    for path in ("send/", "stop/", "change/", "share/", "delete/"):
        assert other.post(f"/chat/{talk.pk}/{path}", {"text": "x"}).status_code == 404


def test_the_first_page_says_to_viewers_why_they_cannot_talk(client: Client, viewer: User) -> None:
    client.force_login(viewer)

    page = Page(client.get("/chat/").content.decode())

    assert not page.find("textarea")
    assert client.post("/chat/", {"partner": "model", "text": "x"}).status_code == 422
