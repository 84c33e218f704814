"""Names for the browsers in the list of sessions, guessed from what they say about themselves."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
PHONES = ("iPhone", "Android")


@dataclass(frozen=True, slots=True)
class Device:
    """What a user agent looks like to a person."""

    name: str
    icon: str


def device_of(user_agent: str) -> Device:
    """Return a name like `Firefox · Linux` and the icon of a computer or a phone."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    name = " · ".join(part for part in (browser, system) if part) or _("Unknown device")
    return Device(name=name, icon="phone" if system in PHONES else "device")
