"""Celery with an engine that is broken on purpose: `python -m tests.faults.real.broken NAME WORDS…`."""

from __future__ import annotations

import sys


def main() -> None:
    """Break the engine as the first word says, then be `celery` with the others."""
    name, *words = sys.argv[1:]
    import django

    django.setup()
    from tests.faults.breaking import BROKEN, break_engine

    break_engine(BROKEN[name][0])
    from celery.__main__ import main as celery

    sys.argv = ["celery", *words]
    celery()


if __name__ == "__main__":
    main()
