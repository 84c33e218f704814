"""The writes of this app: people start and control runs, workers claim and record."""

from apps.runs.actions.approvals import decide_approval
from apps.runs.actions.bulk import act_on_runs
from apps.runs.actions.control import cancel_run
from apps.runs.actions.decisions import decide_effect
from apps.runs.actions.fork import fork_run
from apps.runs.actions.pause import pause_run, resume_run
from apps.runs.actions.retry import retry_node, retry_run
from apps.runs.actions.signals import send_signal
from apps.runs.actions.start import start_run

__all__ = [
    "act_on_runs",
    "cancel_run",
    "decide_approval",
    "decide_effect",
    "fork_run",
    "pause_run",
    "resume_run",
    "retry_node",
    "retry_run",
    "send_signal",
    "start_run",
]
