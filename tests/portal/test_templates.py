"""Templates: formatted and linted, nothing inline, nothing from other hosts, every include and tag there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines

ROOT = Path(settings.BASE_DIR)
FOLDER = ROOT / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.html"))
OWN = ("account", "agents", "allauth", "chat", "components", "connections", "mfa", "parts", "portal")
FORBIDDEN = {
    "a style attribute": r"<[^>]*\sstyle=",
    "an inline handler": r"<[^>]*\son(click|load|submit|change|input|error|key\w+|mouse\w+)=",
    "a style element": r"<style\b",
    "an inline script": r"<script\b(?![^>]*\bsrc=)(?![^>]*application/json)",
    "another host": r"(src|href|action)=['\"](https?:)?//",
    "an evaluated expression": r"\bhx-(on|vals=['\"]js)",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(name: str) -> None:
    engines["django"].get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_nothing_inline_and_nothing_foreign(name: str) -> None:
    text = (FOLDER / name).read_text()

    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)] == []


@pytest.mark.parametrize("arguments", [["--check"], ["check"]], ids=["format", "lint"])
def test_templates_are_as_the_linter_wants_them(arguments: list[str]) -> None:
    places = [FOLDER / place for place in OWN] + sorted(FOLDER.glob("*.html"))
    linter = Path(sys.executable).with_name("djangofmt")

    done = subprocess.run(
        [str(linter), *arguments, *map(str, places)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_component_is_on_the_style_guide() -> None:
    components = {path.stem for path in (FOLDER / "components").glob("*.html")}
    guide = "".join(path.read_text() for path in (FOLDER / "portal" / "styleguide").glob("*.html"))

    shown = set(re.findall(r"\{% (\w+) ", guide)) | set(re.findall(r"\{% ui '(\w+)'", guide))

    assert components - shown == {"form_errors", "status_templates"}
