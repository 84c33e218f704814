"""What was spent, for operators: every call, of every team."""

from __future__ import annotations

from django.contrib import admin

from apps.usage.models import ModelCall
from orchestra.admin import BigTableAdmin, ReadOnly


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
