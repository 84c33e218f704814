"""Errors of actions, said on pages: at the fields of a form where they name one, else above it."""

from __future__ import annotations

from django.forms import BaseForm
from django.utils.translation import gettext

from orchestra.errors import OrchestraError


def words(error: OrchestraError) -> str:
    """Return the error's message in the reader's language, where the catalogue has it."""
    return gettext(error.message) if error.message else ""


def add_problems(form: BaseForm, error: OrchestraError) -> None:
    """Put an error on a form: each problem at its field, what is left above the form."""
    for problem in error.problems:
        named = next((part for part in problem.path.split(".") if part in form.fields), None)
        form.add_error(named, gettext(problem.message))
    if not error.problems:
        form.add_error(None, words(error))
