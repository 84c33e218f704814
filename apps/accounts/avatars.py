"""Pictures of people: whatever is uploaded is decoded and written anew, so that only pixels get in."""

from __future__ import annotations

import io
import warnings
from typing import IO

from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from orchestra.errors import InvalidInput, Problem

SIZE = 200
"""Width and height of what is kept, in pixels."""
MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 25_000_000
FORMATS = ("PNG", "JPEG", "WEBP")


def reencode(upload: IO[bytes]) -> ContentFile[bytes]:
    """Return a picture as a square WebP of 200 × 200 pixels, without any metadata.

    Raises InvalidInput for what is larger than 5 MB or 25 megapixels, animated, or no PNG, JPEG or WebP.
    """
    raw = upload.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _refused("too_large", _("The picture is larger than 5 MB."))
    try:
        return ContentFile(_square(raw))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise _refused(
            "not_a_picture", _("This is no PNG, JPEG or WebP picture that can be read.")
        ) from error


def _square(raw: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
        except Image.DecompressionBombWarning as error:
            raise _refused("too_large", _("The picture has more than 25 megapixels.")) from error
    with picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _refused("too_large", _("The picture has more than 25 megapixels."))
        if getattr(picture, "is_animated", False):
            raise _refused("animated", _("The picture moves; choose a still one."))
        picture.draft("RGB", (2 * SIZE, 2 * SIZE))
        upright = ImageOps.exif_transpose(picture)
        mode = "RGBA" if upright.has_transparency_data else "RGB"
        square = ImageOps.fit(upright.convert(mode), (SIZE, SIZE), Image.Resampling.LANCZOS)
    clean = Image.new(mode, square.size)
    clean.paste(square)
    written = io.BytesIO()
    clean.save(written, format="WEBP", quality=88, method=4)
    return written.getvalue()


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem(path="avatar", code=code, message=message)])
