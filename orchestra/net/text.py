"""Making outside text fit to be stored: no NUL, no half surrogates, which databases and UTF-8 refuse."""

from __future__ import annotations

from typing import Any


def clean_text(text: str) -> str:
    """Return the text without NUL; surrogate pairs become their character, halves become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_json(value: Any) -> Any:
    """Return a parsed JSON value whose every text is clean, keys too."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    return value
