"""The design tokens: the requirements' values exactly, and contrast that people can read, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

CSS = Path(settings.BASE_DIR) / "static" / "css"
EXACT = {
    "primary-50": "#f0f9ff",
    "primary-500": "#0ea5e9",
    "primary-900": "#0c4a6e",
    "secondary-50": "#fdf4ff",
    "secondary-500": "#a855f7",
    "secondary-900": "#581c87",
    "success-500": "#10b981",
    "warning-500": "#f59e0b",
    "error-500": "#ef4444",
    "space-1": "0.25rem",
    "space-2": "0.5rem",
    "space-4": "1rem",
    "space-8": "2rem",
    "font-display": "'Inter', system-ui, sans-serif",
    "shadow-sm": "0 1px 2px 0 rgb(0 0 0 / 0.05)",
    "shadow-lg": "0 10px 15px -3px rgb(0 0 0 / 0.1)",
    "transition-fast": "150ms ease-out",
    "transition-smooth": "300ms ease-in-out",
}
STOPS = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950)
INKS = ("text", "text-muted", "text-subtle", "accent", "second", "success", "warning", "error")
TEXT_PAIRS = [
    *[(ink, ground) for ink in INKS for ground in ("bg", "surface", "surface-raised")],
    ("text", "surface-sunken"),
    ("text-muted", "surface-sunken"),
    ("text-muted", "neutral-soft"),
    ("accent", "accent-soft"),
    ("success", "success-soft"),
    ("warning", "warning-soft"),
    ("error", "error-soft"),
    ("text", "accent-soft"),
    ("text", "success-soft"),
    ("text", "warning-soft"),
    ("text", "error-soft"),
    ("second", "second-fill"),
    ("on-second", "second-fill"),
    ("on-second", "second-fill-hover"),
    ("on-accent", "accent-fill"),
    ("on-accent", "accent-fill-hover"),
    ("on-error", "error-fill"),
]
CONTROL_PAIRS = [("border-control", "surface"), ("focus", "surface"), ("focus", "bg")]


def _tokens() -> dict[str, str]:
    text = (CSS / "tokens.css").read_text()
    return dict(re.findall(r"--([a-z0-9-]+):\s*([^;]+);", text))


def _resolve(name: str, is_dark: bool) -> str:
    """Return the colour of a token as #rrggbb, for one of the two schemes."""
    value = _tokens()[name]
    while not re.fullmatch(r"#[0-9a-f]{6}", value):
        if pair := re.fullmatch(r"light-dark\(([^,]+), ([^,]+)\)", value):
            value = pair[2 if is_dark else 1]
        elif link := re.fullmatch(r"var\(--([a-z0-9-]+)\)", value):
            value = _tokens()[link[1]]
        else:
            raise AssertionError(f"{name}: {value} is no colour")
    return value


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize(("name", "value"), EXACT.items())
def test_the_value_of_the_requirements_is_kept(name: str, value: str) -> None:
    assert _tokens()[name] == value


def test_the_mono_font_is_the_one_of_the_requirements() -> None:
    assert _tokens()["font-mono"].startswith("'JetBrains Mono', ")


@pytest.mark.parametrize("ramp", ["primary", "secondary", "success", "warning", "error", "gray"])
def test_a_ramp_goes_from_light_to_dark_without_gaps(ramp: str) -> None:
    luminances = [_luminance(_resolve(f"{ramp}-{stop}", False)) for stop in STOPS]

    assert luminances == sorted(luminances, reverse=True)
    assert len(set(luminances)) == len(STOPS)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_can_be_read(text: str, ground: str, is_dark: bool) -> None:
    ratio = _contrast(_resolve(text, is_dark), _resolve(ground, is_dark))

    assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f}"


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), CONTROL_PAIRS)
def test_edges_of_controls_can_be_seen(line: str, ground: str, is_dark: bool) -> None:
    ratio = _contrast(_resolve(line, is_dark), _resolve(ground, is_dark))

    assert ratio >= 3, f"{line} on {ground}: {ratio:.2f}"


@pytest.mark.parametrize("sheet", sorted(CSS.glob("*.css")), ids=lambda path: path.name)
def test_a_sheet_uses_only_tokens_that_exist(sheet: Path) -> None:
    text = sheet.read_text()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\s*[,)]", text))
    known = set(_tokens()) | set(re.findall(r"--([a-z0-9-]+):", text))
    handed_over = set(re.findall(r"--([a-z0-9-]+):", "".join(s.read_text() for s in CSS.glob("*.css"))))
    by_scripts = set(re.findall(r"setProperty\(\s*'--([a-z0-9-]+)'", _scripts()))

    assert used - known - handed_over - by_scripts - {"gap", "column"} == set()


@pytest.mark.parametrize("sheet", sorted(CSS.glob("*.css")), ids=lambda path: path.name)
def test_a_sheet_loads_nothing_from_other_hosts(sheet: Path) -> None:
    assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", sheet.read_text())


def _scripts() -> str:
    return "".join(path.read_text() for path in (CSS.parent / "js").glob("*.js"))
