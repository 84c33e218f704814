"""Every write to triggers, and what makes them fire; called by pages, API, admin and upkeep alike.

`hooks` stands apart: it reads requests, and workers load nothing of that.
"""

from apps.triggers.actions.due import release_queued, start_due
from apps.triggers.actions.endings import follow_endings
from apps.triggers.actions.firing import fire, purge_firings
from apps.triggers.actions.triggers import create_trigger, delete_trigger, rotate_secret, update_trigger

__all__ = [
    "create_trigger",
    "delete_trigger",
    "fire",
    "follow_endings",
    "purge_firings",
    "release_queued",
    "rotate_secret",
    "start_due",
    "update_trigger",
]
