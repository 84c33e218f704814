"""The form of a budget."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.usage.actions.budgets import subject_name
from apps.usage.models import Budget, Scope, Span, Unit, WhenSpent

FIELDS = (
    "name", "scope", "subject", "unit", "amount", "span", "time_zone", "warn_percent", "when_spent",
    "fallback_connection", "fallback_model", "is_enabled",
)  # fmt: skip


class BudgetForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)
    scope = forms.ChoiceField(label=_("For"), choices=Scope)
    subject = forms.CharField(
        label=_("Whom"),
        max_length=150,
        required=False,
        help_text=_(
            "A user name, or the short name of a workflow or agent. Empty: each of them has this much."
        ),
    )
    amount = forms.DecimalField(label=_("Amount"), min_value=0, max_digits=18, decimal_places=8)
    unit = forms.ChoiceField(label=_("Counted in"), choices=Unit)
    span = forms.ChoiceField(label=_("Per"), choices=Span, initial=Span.MONTH)
    time_zone = forms.CharField(label=_("Time zone"), max_length=64)
    warn_percent = forms.IntegerField(
        label=_("Warn at percent"), min_value=0, max_value=100, initial=80, help_text=_("0: no warning.")
    )
    when_spent = forms.ChoiceField(label=_("When it is spent"), choices=WhenSpent)
    fallback_connection = forms.CharField(
        label=_("Connection of the cheaper model"),
        max_length=80,
        required=False,
        help_text=_("Short name. Empty: the node's own connection."),
    )
    fallback_model = forms.CharField(label=_("Cheaper model"), max_length=120, required=False)
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(self, *args: Any, budget: Budget | None = None, **kwargs: Any) -> None:
        if budget is not None:
            own = {name: getattr(budget, name) for name in FIELDS}
            shown = f"{budget.amount:f}".rstrip("0").rstrip(".")
            kwargs["initial"] = {**own, "subject": subject_name(budget), "amount": shown}
        super().__init__(*args, **kwargs)
