"""What changes rows of usage, one function per change."""

from apps.usage.actions.retention import roll_up as roll_up
