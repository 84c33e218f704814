#!/usr/bin/env python
"""Entry point of every management command."""

import os
import sys

MINIMUM = (3, 11)


def main() -> None:
    if sys.version_info < MINIMUM:
        sys.exit(
            f"Orchestra needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer; this is {sys.version.split()[0]}."
        )
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(
            "The dependencies are not installed here: run `make demo`, or use .venv/bin/python manage.py …"
        )
    from orchestra.env import BadEnvironment

    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
