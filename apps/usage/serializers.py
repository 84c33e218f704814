"""Usage as JSON, and what a request for it may say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from rest_framework import serializers

from apps.accounts.models import User
from apps.usage.models import ModelCall, Scope, Span, Unit, WhenSpent
from apps.usage.sums import GROUPS, Only, Period
from orchestra.api import StrictSerializer

LAST_DAYS = 30
MOST_DAYS = 400


class ZoneField(serializers.CharField):
    """The name of a time zone."""

    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        try:
            return ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise serializers.ValidationError(f"There is no time zone {name[:60]!r}.") from None


class PeriodFilters(StrictSerializer):
    """Which calls: days of a time zone, and what they were made for."""

    team = serializers.CharField(required=False, help_text="Short name of the team.")
    since = serializers.DateField(required=False, help_text="First day; by default 30 days with `until`.")
    until = serializers.DateField(required=False, help_text="Last day, included; by default today.")
    time_zone = ZoneField(required=False, help_text="Such as `Europe/Berlin`; by default the person's.")
    model = serializers.CharField(required=False, allow_blank=True)
    workflow = serializers.CharField(required=False, allow_blank=True, help_text="Short name.")
    agent = serializers.CharField(required=False, allow_blank=True, help_text="Short name.")
    connection = serializers.CharField(required=False, allow_blank=True, help_text="Short name.")
    user = serializers.CharField(required=False, allow_blank=True, help_text="A user name, or `me`.")
    run = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        since, until = attrs.get("since"), attrs.get("until")
        if since and until and since > until:
            raise serializers.ValidationError({"until": ["This is before `since`."]})
        if since and (until or timezone.localdate()) - since >= timedelta(days=MOST_DAYS):
            raise serializers.ValidationError({"since": [f"Ask for {MOST_DAYS} days at most."]})
        return attrs


class UsageFilters(PeriodFilters):
    group_by = serializers.ChoiceField(list(GROUPS), default="day")


class CallFilters(PeriodFilters):
    cursor = serializers.CharField(required=False)
    limit = serializers.CharField(required=False)


def period_of(given: dict[str, Any], user: User) -> Period:
    """Return the period that validated filters ask for."""
    zone = given.get("time_zone") or ZoneInfo(user.time_zone or "UTC")
    until: date = given.get("until") or timezone.localdate(timezone=zone)
    since: date = given.get("since") or until - timedelta(days=LAST_DAYS - 1)
    return Period(min(since, until), until, zone)


def only_of(given: dict[str, Any], user: User) -> Only:
    """Return what validated filters narrow the calls down to."""
    named = {name: given.get(name) for name in ("model", "workflow", "agent", "connection", "run")}
    name = given.get("user")
    return Only(user=user.username if name == "me" else name, **named)


class LineSerializer(serializers.Serializer[Any]):
    """The sum of some calls."""

    key = serializers.CharField(allow_null=True, help_text="Day, short name, user name, run or path.")
    label = serializers.CharField()  # type: ignore[assignment]  # declared fields leave the class
    calls = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Calls that were not answered to the end.")
    runs = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.FloatField(help_text="In the installation's currency.")
    seconds = serializers.FloatField(help_text="Of all calls together.")


class UsageSumsSerializer(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    time_zone = serializers.CharField()
    currency = serializers.CharField()
    group_by = serializers.ChoiceField(list(GROUPS))
    results = LineSerializer(many=True)
    total = LineSerializer()


class ModelCallSerializer(serializers.ModelSerializer[ModelCall]):
    """One call of a model."""

    cost = serializers.FloatField()
    user = serializers.CharField(source="user.username", allow_null=True, default=None)

    class Meta:
        model = ModelCall
        fields = [
            "id", "at", "run", "number", "node", "workflow", "agent", "connection", "model", "user", "calls",
            "failed", "input_tokens", "output_tokens", "cost", "input_price", "output_price", "seconds", "error",
            "is_estimated",
        ]  # fmt: skip


class BudgetSerializer(serializers.Serializer[Any]):
    """A budget and how it stands; of one for each: as it stands for whoever has spent most of it."""

    id = serializers.UUIDField(source="budget.pk")
    name = serializers.CharField(source="budget.name")
    scope = serializers.ChoiceField(Scope.choices, source="budget.scope")
    subject = serializers.CharField(help_text="User name or short name; empty: all, or each.")
    unit = serializers.ChoiceField(Unit.choices, source="budget.unit")
    amount = serializers.FloatField(source="budget.amount")
    span = serializers.ChoiceField(Span.choices, source="budget.span")
    time_zone = serializers.CharField(source="budget.time_zone")
    warn_percent = serializers.IntegerField(source="budget.warn_percent")
    when_spent = serializers.ChoiceField(WhenSpent.choices, source="budget.when_spent")
    fallback_connection = serializers.CharField(source="budget.fallback_connection")
    fallback_model = serializers.CharField(source="budget.fallback_model")
    is_enabled = serializers.BooleanField(source="budget.is_enabled")
    revision = serializers.IntegerField(source="budget.revision")
    starts_at = serializers.DateTimeField(help_text="When the span began that counts now.")
    spent = serializers.FloatField()
    held = serializers.FloatField(help_text="Reserved by calls under way.")


class BudgetChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    scope = serializers.ChoiceField(Scope.choices, required=False)
    subject = serializers.CharField(max_length=150, required=False, allow_blank=True)
    unit = serializers.ChoiceField(Unit.choices, required=False)
    amount = serializers.DecimalField(max_digits=18, decimal_places=8, min_value=0, required=False)
    span = serializers.ChoiceField(Span.choices, required=False)
    time_zone = serializers.CharField(max_length=64, required=False)
    warn_percent = serializers.IntegerField(min_value=0, max_value=100, required=False)
    when_spent = serializers.ChoiceField(WhenSpent.choices, required=False)
    fallback_connection = serializers.CharField(max_length=80, required=False, allow_blank=True)
    fallback_model = serializers.CharField(max_length=120, required=False, allow_blank=True)
    is_enabled = serializers.BooleanField(required=False)


class NewBudgetSerializer(BudgetChangesSerializer):
    name = serializers.CharField(max_length=80)
    amount = serializers.DecimalField(max_digits=18, decimal_places=8, min_value=0)
