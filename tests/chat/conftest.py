"""People who talk, and runs that end as a test says."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.chat import actions
from apps.chat.models import Conversation, MessageStatus
from apps.runs.models import Run


@pytest.fixture(autouse=True)
def _fresh() -> None:
    cache.clear()


@pytest.fixture
def talk(team: Team, editor: User) -> Conversation:
    return actions.start_conversation(team=team, by=editor)


@pytest.fixture
def say(talk: Conversation, editor: User) -> Any:
    """Return a function that says something in the conversation."""

    def say_it(text: str, **options: Any) -> Any:
        return actions.send_message(conversation=talk, text=text, by=editor, **options)

    return say_it


@pytest.fixture
def answer(talk: Conversation) -> Any:
    """Return what ends the run that is answering, as the engine would, without taking its end in."""

    def end_run(text: str = "Fine.", status: str = "succeeded", **fields: Any) -> Run:
        run = Run.objects.get(message__conversation=talk, message__status=MessageStatus.WRITING)
        output = {"text": text, "steps": []} if status == "succeeded" else None
        values = {"status": status, "output": output, "finished_at": timezone.now(), **fields}
        Run.objects.filter(pk=run.pk).update(**values)
        return run

    return end_run


@pytest.fixture
def browse(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def log_of(talk: Conversation) -> list[tuple[str, str, str]]:
    """Return (author, status, text) of what the page shows, in order."""
    found = talk.messages.filter(is_current=True).values_list("author", "status", "text")
    return [(str(author), str(status), str(text)) for author, status, text in found]
