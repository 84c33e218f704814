"""Pictures: decoded and written anew, or refused; seen by one's teams only."""

from __future__ import annotations

import io
import struct
import time
import zlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from apps.accounts import actions
from apps.accounts.avatars import reencode
from apps.accounts.models import Role, Team, User
from orchestra.errors import InvalidInput

AVATAR = "/api/v1/me/avatar"


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 100), **options: Any) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "teal").save(written, kind, **options)
    return written.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few KB that claims to be huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9000))
        + chunk(b"IEND", b"")
    )


def moving(kind: str, frames: int) -> bytes:
    pictures = [Image.new("RGB", (4, 4), (number % 256, number // 256, 7)) for number in range(frames)]
    written = io.BytesIO()
    pictures[0].save(written, kind, save_all=True, append_images=pictures[1:], duration=10)
    return written.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_a_small_square(kind: str) -> None:
    made = Image.open(reencode(io.BytesIO(picture(kind))))

    assert (made.format, made.size) == ("WEBP", (200, 200))


def test_transparency_is_kept() -> None:
    written = io.BytesIO()
    Image.new("RGBA", (300, 300), (1, 2, 3, 0)).save(written, "PNG")

    made = Image.open(reencode(io.BytesIO(written.getvalue())))

    assert made.mode == "RGBA"
    assert made.getpixel((100, 100))[3] == 0


def test_metadata_does_not_survive() -> None:
    exif = Image.Exif()
    exif[0x010E] = "home address"

    made = reencode(io.BytesIO(picture("JPEG", exif=exif))).read()

    assert b"home address" not in made
    assert not Image.open(io.BytesIO(made)).getexif()


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = Image.new("RGB", (200, 100), "black")
    sideways.paste("white", (0, 0, 100, 100))
    written = io.BytesIO()
    sideways.save(written, "JPEG", exif=exif)

    made = Image.open(reencode(io.BytesIO(written.getvalue())))

    assert made.getpixel((100, 20))[0] > 200, "the left half has become the top"
    assert made.getpixel((100, 180))[0] < 50


HOSTILE = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif": picture("GIF"),
    "tiff": picture("TIFF"),
    "ico": picture("ICO", (32, 32)),
    "bmp": picture("BMP"),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "psd": b"8BPS\x00\x01" + b"\0" * 40,
    "cut off": picture("JPEG", (600, 600))[:500],
    "png with a tail of nothing": b"\x89PNG\r\n\x1a\n",
    "empty": b"",
    "huge": bomb(50_000, 50_000),
    "large": bomb(6_000, 6_000),
    "negative": bomb(0, 5),
    "moving png": moving("PNG", 40),
    "moving webp": moving("WEBP", 40),
    "too many bytes": picture() + b"\0" * (5 * 1024 * 1024),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_harmless_picture_is_refused_quickly(name: str) -> None:
    begun = time.monotonic()

    with pytest.raises(InvalidInput):
        reencode(io.BytesIO(HOSTILE[name]))

    assert time.monotonic() - begun < 1


def test_a_picture_comes_as_a_form_or_as_the_body(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")
    upload = SimpleUploadedFile("../../evil.svg", picture(), content_type="image/svg+xml")

    as_form = api.put(AVATAR, {"avatar": upload}, format="multipart")
    as_body = api.put(AVATAR, picture("JPEG"), content_type="image/jpeg")

    assert (as_form.status_code, as_body.status_code) == (200, 200)
    editor.refresh_from_db()
    assert editor.avatar.name.startswith(f"avatars/{editor.pk}-")
    shown = api.get(AVATAR)
    assert shown["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(b"".join(shown.streaming_content))).size == (200, 200)


def test_a_hostile_picture_is_named_as_a_problem(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")

    answer = api.put(AVATAR, HOSTILE["svg"], content_type="image/png")

    assert answer.status_code in {400, 422}
    assert answer.json()["problems"][0]["path"] == "avatar"


@pytest.mark.parametrize("body", [{}, {"avatar": "text"}])
def test_an_upload_without_a_picture_is_400(
    api: APIClient, editor: User, log_in: Any, body: dict[str, str]
) -> None:
    log_in("ada")

    assert api.put(AVATAR, body, format="multipart").status_code == 400


def test_a_new_picture_replaces_the_file_and_removing_deletes_it(editor: User) -> None:
    actions.set_avatar(user=editor, upload=io.BytesIO(picture()))
    storage, first = editor.avatar.storage, editor.avatar.name

    actions.set_avatar(user=editor, upload=io.BytesIO(picture()))
    second = editor.avatar.name

    assert not storage.exists(first)
    assert storage.exists(second)
    actions.remove_avatar(user=editor)
    assert not storage.exists(second)


def test_a_picture_is_seen_by_ones_teams_only(
    client: Client, editor: User, viewer: User, make_user: Any
) -> None:
    actions.set_avatar(user=editor, upload=io.BytesIO(picture()))
    stranger = make_user("sam", Team.objects.create(name="Others", slug="others"), Role.OWNER)
    url = f"/avatars/{editor.pk}/"

    statuses = {}
    for who in (None, stranger, viewer, editor):
        client.logout()
        if who is not None:
            client.force_login(who)
        statuses[str(who)] = client.get(url).status_code

    assert statuses == {"None": 302, "sam": 404, "vera": 200, "ada": 200}


def test_a_picture_is_served_inert(client: Client, editor: User) -> None:
    actions.set_avatar(user=editor, upload=io.BytesIO(picture()))
    client.force_login(editor)

    answer = client.get(f"/avatars/{editor.pk}/")

    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "sandbox" in answer["Content-Security-Policy"]


def test_somebody_without_a_picture_has_none(client: Client, editor: User) -> None:
    client.force_login(editor)

    assert client.get(f"/avatars/{editor.pk}/").status_code == 404
    assert client.get(AVATAR).status_code == 404
