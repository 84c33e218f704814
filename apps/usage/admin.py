"""What was spent, for operators: every call, of every team."""

from __future__ import annotations

from django.contrib import admin

from apps.usage.models import Budget, ModelCall, Reservation, Spending
from orchestra.admin import BigTableAdmin, HistoryInline, ProductAdmin, ReadOnly


@admin.register(ModelCall)
class ModelCallAdmin(ReadOnly, BigTableAdmin):
    list_display = [
        "at", "team", "workflow", "node", "agent", "connection", "model", "input_tokens", "output_tokens", "cost",
        "error",
    ]  # fmt: skip
    list_filter = ["at", "is_estimated"]
    list_select_related = ["team"]
    search_fields = ["=run", "=workflow", "=model", "=agent", "=connection", "team__slug"]
    fields = [
        "team", "at", "run", "number", "node", "workflow", "agent", "connection", "model", "user", "calls",
        "failed", "runs", "input_tokens", "output_tokens", "cost", "input_price", "output_price", "seconds",
        "error", "is_estimated",
    ]  # fmt: skip


class SpendingInline(HistoryInline):
    model = Spending
    fields = ["subject", "starts_at", "spent", "warned_at", "reached_at"]


@admin.register(Budget)
class BudgetAdmin(ReadOnly, ProductAdmin):
    """Budgets are their teams' own; operators see how they stand."""

    list_display = ["name", "team", "scope", "subject", "amount", "unit", "span", "when_spent", "is_enabled"]
    list_filter = ["scope", "span", "when_spent", "is_enabled"]
    list_select_related = ["team"]
    search_fields = ["name", "team__slug", "subject"]
    inlines = [SpendingInline]
    fields = [
        "team", "name", "scope", "subject", "amount", "unit", "span", "time_zone", "warn_percent", "when_spent",
        "fallback_connection", "fallback_model", "is_enabled", "created_by", "created_at", "updated_at",
    ]  # fmt: skip


@admin.register(Spending)
class SpendingAdmin(ReadOnly, BigTableAdmin):
    list_display = ["budget", "subject", "starts_at", "spent", "warned_at", "reached_at"]
    list_select_related = ["budget"]
    search_fields = ["budget__name", "subject"]
    fields = ["budget", "subject", "starts_at", "spent", "warned_at", "reached_at"]


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, BigTableAdmin):
    list_display = ["ticket", "spending", "amount", "run", "made_at", "expires_at"]
    list_select_related = ["spending__budget"]
    search_fields = ["=run", "=ticket"]
    fields = ["ticket", "spending", "amount", "run", "made_at", "expires_at"]
