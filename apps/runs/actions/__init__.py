"""The writes of this app: people start and control runs, workers claim and record."""

from apps.runs.actions.control import cancel_run
from apps.runs.actions.start import start_run

__all__ = ["cancel_run", "start_run"]
