"""Small files, small functions, small tasks: the limits have no exemptions."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.tree import functions_of, length_of, python_files, text_of

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 50
MOST_LINES_OF_A_TASK = 15


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {str(path): len(text_of(path).splitlines()) for path in python_files()}

    assert lengths
    assert {path: length for path, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {
        f"{path}:{function.lineno} {function.name}": length_of(function)
        for path in python_files()
        for function in functions_of(path)
    }

    assert lengths
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_celery_task_is_longer_than_15_lines() -> None:
    tasks = {
        function.name: length_of(function)
        for function in functions_of(Path("workers/tasks.py"))
        if any(is_task(decorator) for decorator in function.decorator_list)
    }

    assert tasks
    assert {name: length for name, length in tasks.items() if length > MOST_LINES_OF_A_TASK} == {}


def test_every_module_opens_with_a_sentence() -> None:
    silent = [
        str(path)
        for path in python_files()
        if text_of(path).strip() and not (ast.get_docstring(ast.parse(text_of(path))) or "").strip()
    ]

    assert silent == []


def is_task(decorator: ast.expr) -> bool:
    """Say whether a decorator is `app.task` or `shared_task`, called or not."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(target) in {"app.task", "shared_task"}
