"""What no file of the repository may hold: registry hosts, paths of one machine, loose ends."""

from __future__ import annotations

import re

from tests.architecture.tree import files, python_files, text_of

# Put together from pieces, so that this file names none of them.
HOSTS = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            *("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"),
            *("deb.deb" + "ian.org", "cr" + "ates.io", "proxy.gol" + "ang"),
        )
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:" + "|".join(("work", "farm", "ro" + "ot")) + r")/[a-z.]")
LOOSE_ENDS = re.compile(r"#\s*(?:noqa|type:\s*ignore)\s*$|\b(?:TO" + "DO|FIX" + r"ME)\b", re.MULTILINE)
SUPPRESSION = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[\w, -]+\])(?P<reason>.*)$", re.MULTILINE
)


def test_no_file_names_a_package_registry() -> None:
    assert [str(path) for path in files() if HOSTS.search(text_of(path))] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [str(path) for path in files() if path.suffix != ".lock" and MACHINE_PATHS.search(text_of(path))]

    assert found == []


def test_no_file_has_loose_ends() -> None:
    assert [str(path) for path in python_files() if LOOSE_ENDS.search(text_of(path))] == []


def test_every_suppression_gives_its_reason() -> None:
    silent = [
        f"{path}: {match.group().strip()}"
        for path in python_files()
        for match in SUPPRESSION.finditer(text_of(path))
        if len(match.group("reason").strip(" #()")) < 8
    ]

    assert silent == []


def test_every_text_file_ends_with_one_line_feed() -> None:
    suffixes = {".py", ".md", ".html", ".css", ".js", ".toml", ".yml", ".yaml"}
    texts = {
        str(path): text_of(path) for path in files() if path.suffix in suffixes and "vendor" not in path.parts
    }

    assert [name for name, text in texts.items() if text and (not text.endswith("\n") or "\r" in text)] == []
