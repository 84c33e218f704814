"""Files that come with a message: texts only, checked, and told to the partner behind what the person wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from orchestra.errors import InvalidInput, Problem

MOST_FILES = 3
MOST_BYTES = 100 * 1024
SUFFIXES = (
    ".txt", ".md", ".csv", ".tsv", ".json", ".yaml", ".yml", ".xml", ".html", ".log", ".py", ".js", ".ts", ".css",
    ".sql", ".toml", ".ini", ".rst", ".tex", ".srt",
)  # fmt: skip
"""What is taken: files that are texts. Pictures and office documents are refused, not guessed at."""
FENCE = re.compile(r"`{3,}")


def with_files(text: str, uploads: Sequence[UploadedFile[Any]]) -> str:
    """Return a message with the texts of its files behind it, each in a block under its name.

    Raises InvalidInput: more than three, larger than 100 KB, of a kind that is no text, not UTF-8.
    """
    if len(uploads) > MOST_FILES:
        raise _refused("too_many", _("At most %(count)s files go with a message.") % {"count": MOST_FILES})
    parts = [text.strip(), *(_block(upload) for upload in uploads)]
    return "\n\n".join(part for part in parts if part)


def _block(upload: UploadedFile[Any]) -> str:
    name = _name_of(upload)
    if not name.lower().endswith(SUFFIXES):
        raise _refused("bad_type", _("“%(name)s” is no text file that can be read here.") % {"name": name})
    raw = upload.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise _refused("too_large", _("“%(name)s” is larger than 100 KB.") % {"name": name})
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused("bad_type", _("“%(name)s” is no text in UTF-8.") % {"name": name}) from error
    if "\x00" in content:
        raise _refused("bad_type", _("“%(name)s” is no text in UTF-8.") % {"name": name})
    fence = "`" * max(3, 1 + max((len(mark) for mark in FENCE.findall(content)), default=0))
    return f"{name}:\n{fence}\n{content.strip()}\n{fence}"


def _name_of(upload: UploadedFile[Any]) -> str:
    """Return the last part of a file's name, short and on one line."""
    name = PurePosixPath((upload.name or "file").replace("\\", "/")).name
    return " ".join(name.split())[-80:] or "file"


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(problems=[Problem("files", code, message)])
