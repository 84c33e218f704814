"""Files that come with a message."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.chat.models import Conversation


def test_text_files_are_told_behind_the_message(browse: Client, talk: Conversation) -> None:
    files = [
        SimpleUploadedFile("../../notes\n.md", b"\xef\xbb\xbf# Notes\n```\nx\n```"),
        SimpleUploadedFile("t.csv", "a,b\né,2".encode()),
    ]
    browse.post(f"/chat/{talk.pk}/send/", {"text": "Read this", "files": files})

    said = talk.messages.get(author="user").text
    assert said.startswith("Read this\n\n")
    assert "````\n# Notes\n```\nx\n```\n````" in said
    assert "t.csv:\n```\na,b\né,2\n```" in said
    assert "../" not in said
    assert talk.messages.get(author="assistant").run.input["text"] == said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("x.png", b"\x89PNG")], "no text file"),
        ([("x.txt", b"\xff\xfe\x00")], "UTF-8"),
        ([("x.txt", b"a\x00b")], "UTF-8"),
        ([("x.txt", b"x" * 102_401)], "larger than 100 KB"),
        ([(f"{n}.txt", b"x") for n in range(4)], "At most 3"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(
    browse: Client, talk: Conversation, files: Any, words: str
) -> None:
    uploads = [SimpleUploadedFile(name, raw) for name, raw in files]

    answer = browse.post(f"/chat/{talk.pk}/send/", {"text": "Read", "files": uploads})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert ">Read</textarea>" in answer.content.decode()
    assert not talk.messages.exists()


def test_the_first_page_shows_ones_last_conversations(browse: Client, talk: Conversation, say: Any) -> None:
    say("About the weather")

    assert "About the weather" in browse.get("/").content.decode()
