"""Who may import whom: the contracts of pyproject.toml hold, and the core runs without any framework."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.tree import ROOT

CORE = ("orchestra.engine.compiler", "orchestra.llm.client", "orchestra.tools.functions", "orchestra.net")
FRAMEWORKS = ("django", "celery", "kombu", "redis", "channels", "rest_framework", "psycopg")


def test_every_import_contract_holds() -> None:
    check = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"

    answer = run(check)

    assert answer.returncode == 0, answer.stdout


def test_importing_the_core_imports_no_framework() -> None:
    code = f"import sys, {', '.join(CORE)}; print([name for name in {FRAMEWORKS!r} if name in sys.modules])"

    answer = run(code)

    assert answer.stdout.strip() == "[]", answer.stderr


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh interpreter at the root of the repository."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
