"""What changes rows of usage, one function per change."""

from apps.usage.actions.budgets import create_budget as create_budget
from apps.usage.actions.budgets import delete_budget as delete_budget
from apps.usage.actions.budgets import update_budget as update_budget
from apps.usage.actions.reserving import purge_reservations as purge_reservations
from apps.usage.actions.retention import roll_up as roll_up
