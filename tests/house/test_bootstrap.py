"""The bootstrap: one environment from the lock, nothing the second time, broken ones mended, clear refusals."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.house.conftest import ROOT, wait_until

SCRIPT = ROOT / "tools" / "bootstrap.py"
HOOK = "tools_bootstrap"


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the script as a module whose installer does nothing but note that it ran."""
    spec = importlib.util.spec_from_file_location(HOOK, SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.installed = []
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(
        module, "install_with_pip", lambda python, lock, count: module.installed.append(lock.name)
    )
    monkeypatch.setattr(module, "CHECK", "import sys")
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements.lock").write_text("one==1.0 --hash=sha256:00\n")
    (tmp_path / "requirements-dev.lock").write_text("one==1.0 --hash=sha256:00\ntwo==2.0 --hash=sha256:11\n")
    return tmp_path


@pytest.fixture
def empty_venv(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make environments without pip, which is what takes time."""

    def make(venv: Path, uv: str | None) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)

    monkeypatch.setattr(bootstrap, "make_venv", make)


@pytest.mark.usefixtures("empty_venv")
def test_a_second_start_installs_nothing(bootstrap: Any, project: Path) -> None:
    bootstrap.prepare(project, bootstrap.RUNTIME)
    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert bootstrap.installed == ["requirements.lock"]


@pytest.mark.usefixtures("empty_venv")
def test_a_changed_lock_is_installed(bootstrap: Any, project: Path) -> None:
    bootstrap.prepare(project, bootstrap.RUNTIME)
    (project / "requirements.lock").write_text("one==1.1 --hash=sha256:22\n")

    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert bootstrap.installed == ["requirements.lock", "requirements.lock"]


@pytest.mark.usefixtures("empty_venv")
def test_the_development_environment_serves_the_product_too(bootstrap: Any, project: Path) -> None:
    bootstrap.prepare(project, bootstrap.DEVELOPMENT)

    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert bootstrap.installed == ["requirements-dev.lock"]


@pytest.mark.usefixtures("empty_venv")
def test_an_environment_that_was_never_finished_is_made_anew(bootstrap: Any, project: Path) -> None:
    bootstrap.prepare(project, bootstrap.RUNTIME)
    left_over = project / ".venv" / "half-written"
    left_over.touch()
    (project / ".venv" / "orchestra.unfinished").touch()
    (project / ".venv" / "orchestra.json").unlink()

    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert not left_over.exists()
    assert not (project / ".venv" / "orchestra.unfinished").exists()


@pytest.mark.usefixtures("empty_venv")
def test_an_environment_whose_python_is_gone_is_made_anew(bootstrap: Any, project: Path) -> None:
    bootstrap.prepare(project, bootstrap.RUNTIME)
    python = project / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")

    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert subprocess.run([str(python), "-c", ""], check=False).returncode == 0
    assert len(bootstrap.installed) == 2


@pytest.mark.usefixtures("empty_venv")
def test_a_moved_environment_is_made_anew(bootstrap: Any, project: Path, tmp_path_factory: Any) -> None:
    bootstrap.prepare(project, bootstrap.RUNTIME)
    moved = project.rename(tmp_path_factory.mktemp("elsewhere") / "copy")

    bootstrap.prepare(moved, bootstrap.RUNTIME)

    stamp = json.loads((moved / ".venv" / "orchestra.json").read_text())
    assert stamp["place"] == str(moved / ".venv")
    assert len(bootstrap.installed) == 2


@pytest.mark.usefixtures("empty_venv")
def test_a_failed_installation_leaves_no_stamp_and_is_tried_again(
    bootstrap: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(python: Path, lock: Path, count: int) -> None:
        raise bootstrap.CannotPrepare("no network")

    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "install_with_pip", fail)
        with pytest.raises(bootstrap.CannotPrepare):
            bootstrap.prepare(project, bootstrap.RUNTIME)
    bootstrap.prepare(project, bootstrap.RUNTIME)

    assert bootstrap.installed == ["requirements.lock"]


def test_two_at_once_take_turns(project: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import bootstrap, pathlib\n"
        f"with bootstrap.only_one(pathlib.Path({str(project)!r})): print('mine', flush=True)"
    )
    with (project / ".venv.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        output = project / "output"
        with output.open("w") as sink:
            second = subprocess.Popen([sys.executable, "-c", code], stdout=sink)
        wait_until(lambda: "waiting for it" in output.read_text())

        assert "mine" not in output.read_text()

    assert second.wait(20) == 0
    assert "mine" in output.read_text()


def test_a_folder_that_cannot_be_written_is_one_sentence(bootstrap: Any, project: Path) -> None:
    (project / ".venv.lock").mkdir()

    with pytest.raises(bootstrap.CannotPrepare, match="cannot be written"):
        bootstrap.prepare(project, bootstrap.RUNTIME)


def test_an_old_python_is_one_sentence_that_names_what_is_needed(bootstrap: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(bootstrap.sys, "version", "3.9.2 (default)")

    with pytest.raises(bootstrap.CannotPrepare, match=r"needs Python 3\.11 or newer; this is 3\.9\.2"):
        bootstrap.use_new_python()


def test_an_old_python_goes_on_with_a_newer_one_from_the_path(
    bootstrap: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    newer = tmp_path / "python3.12"
    newer.symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: str(newer) if name == "python3.12" else None)
    became: list[str] = []
    monkeypatch.setattr(bootstrap.os, "execv", lambda path, words: became.append(path) or sys.exit(0))

    with pytest.raises(SystemExit):
        bootstrap.use_new_python()

    assert became == [str(newer)]


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "does not have the content",
        ),
        ("Failed to establish a new connection: Temporary failure in name resolution", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("error: something else", "could not be installed"),
    ],
)
def test_what_an_installer_says_becomes_a_sentence(bootstrap: Any, output: str, sentence: str) -> None:
    assert sentence in bootstrap.reason_of(output)


def test_the_script_can_be_read_by_an_old_python() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))
