"""Nothing is forgotten: commands have tests, errors have codes, settings are listed, locks are whole."""

from __future__ import annotations

import re
from pathlib import Path

import orchestra.errors
from orchestra.errors import OrchestraError
from tests.architecture.tree import ROOT, files, python_files, text_of

READ_SETTING = re.compile(r"\b(?:env\.)?(?:text|flag|number|words|url|secret)\(\s*\"([A-Z][A-Z_]+)\"")
NOT_IN_DJANGO = {
    "ORCHESTRA_HOST",
    "ORCHESTRA_VAR",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "RABBITMQ_PASSWORD",
}


def test_every_management_command_is_called_by_a_test() -> None:
    commands = [path.stem for path in files() if path.parts[-3:-1] == ("management", "commands")]
    tests = "\n".join(text_of(path) for path in python_files() if path.parts[0] == "tests")

    forgotten = [name for name in commands if name != "__init__" and f'"{name}"' not in tests]

    assert len(commands) > 4
    assert forgotten == []


def test_every_error_has_a_code_of_its_own_and_a_message() -> None:
    errors = list(subclasses(OrchestraError))
    codes = [error.code for error in errors if "code" in vars(error)]

    silent = [error.__name__ for error in errors if not (error.__doc__ or "").strip()]
    without_code = [
        error.__name__
        for error in errors
        if error.__module__ == orchestra.errors.__name__ and "code" not in vars(error)
    ]

    assert silent == []
    assert without_code == []
    assert sorted(codes) == sorted(set(codes))


def test_every_setting_that_the_code_reads_is_in_the_example_environment() -> None:
    read = {
        name
        for path in python_files()
        if path.parts[0] in {"orchestra", "apps", "workers"}
        for name in READ_SETTING.findall(text_of(path))
    }
    listed = set(re.findall(r"^([A-Z][A-Z_]+)=", text_of(Path(".env.example")), re.MULTILINE))

    assert read - listed == set()
    assert listed - read - NOT_IN_DJANGO == set()


def test_every_locked_requirement_has_hashes_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        entries = re.split(r"^(?=[a-zA-Z0-9])", text_of(Path(name)), flags=re.MULTILINE)[1:]

        assert len(entries) > 50
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
        assert "://" not in text_of(Path(name))


def test_the_development_lock_holds_the_very_versions_of_the_runtime_lock() -> None:
    runtime, development = (pins(name) for name in ("requirements.lock", "requirements-dev.lock"))

    assert runtime <= development


def test_the_development_tools_are_not_installed_at_run_time() -> None:
    names = {pin.split("==")[0] for pin in pins("requirements.lock")}

    assert names.isdisjoint({"pytest", "mypy", "ruff", "playwright", "hypothesis"})


def test_there_is_one_changelog_entry_for_the_version_in_pyproject() -> None:
    version = re.search(r'^version = "([^"]+)"', text_of(Path("pyproject.toml")), re.MULTILINE)

    assert version
    assert f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()


def pins(name: str) -> set[str]:
    """Return the `name==version` pins of a lock file."""
    return set(re.findall(r"^([a-zA-Z0-9._-]+==[^\s;\\]+)", text_of(Path(name)), re.MULTILINE))


def subclasses(error: type[OrchestraError]) -> set[type[OrchestraError]]:
    """Return an error class and all that stand under it."""
    return {error}.union(*(subclasses(child) for child in error.__subclasses__()))
