"""The form of a trigger: fields for its kind, and the input as JSON."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team
from apps.runs.forms import JsonField
from apps.runs.models import RUN_STATUS_CHOICES, PriorityLevel
from apps.triggers.checks import DEFAULTS, MOST_CATCH_UP
from apps.triggers.models import Kind, Misfire, Overlap, Trigger
from apps.workflows.models import Workflow
from orchestra.engine.status import FINAL_RUN

ENDS = [(status.value, label) for status, label in RUN_STATUS_CHOICES if status in FINAL_RUN]
INPUT_HELP = {
    Kind.SCHEDULE: _("JSON with expressions; here are: due_at, trigger."),
    Kind.WEBHOOK: _("JSON with expressions; here are: body, headers, query, trigger."),
    Kind.EVENT: _("JSON with expressions; here are: run.output, run.input, run.status, run.id, trigger."),
    Kind.FORM: _("Constants for the inputs that the form need not ask."),
}


class TriggerForm(forms.Form):
    """A trigger of one kind; fields of the other kinds are not there."""

    name = forms.CharField(label=_("Name"), max_length=80)
    workflow = forms.ModelChoiceField(label=_("Starts"), queryset=Workflow.objects.none(), empty_label=None)
    cron = forms.CharField(
        label=_("Schedule"),
        max_length=200,
        initial="0 9 * * 1-5",
        help_text=_(
            "Minute, hour, day of the month, month, day of the week; six fields begin with the second."
        ),
        widget=forms.TextInput(attrs={"class": "is-mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    time_zone = forms.CharField(label=_("Time zone"), max_length=60, initial="UTC")
    misfire = forms.ChoiceField(label=_("What was missed"), choices=Misfire)
    catch_up = forms.IntegerField(
        label=_("At most so many"), min_value=1, max_value=MOST_CATCH_UP, initial=10, required=False
    )
    source = forms.ModelChoiceField(
        label=_("When a run ends of"),
        queryset=Workflow.objects.none(),
        required=False,
        empty_label=_("Every workflow of the team"),
    )
    statuses = forms.MultipleChoiceField(
        label=_("And it"), choices=ENDS, widget=forms.CheckboxSelectMultiple, initial=["succeeded"]
    )
    title = forms.CharField(label=_("Title"), max_length=120, required=False)
    text = forms.CharField(
        label=_("Text above the form"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    is_public = forms.BooleanField(
        label=_("Open to everybody who has the address"),
        required=False,
        help_text=_("Otherwise only members of the team may fill it in."),
    )
    input = JsonField(label=_("Input (JSON)"), required=False)
    overlap = forms.ChoiceField(label=_("While the last run goes on"), choices=Overlap)
    priority = forms.TypedChoiceField(
        label=_("Priority"), choices=PriorityLevel.choices, coerce=int, initial=PriorityLevel.NORMAL
    )
    is_enabled = forms.BooleanField(label=_("Enabled"), required=False, initial=True)

    def __init__(
        self, *args: Any, kind: str, team: Team, trigger: Trigger | None = None, **kwargs: Any
    ) -> None:
        if trigger is not None:
            kwargs.setdefault("initial", _initial(trigger))
        super().__init__(*args, **kwargs)
        self.kind = kind
        for name in {key for settings in DEFAULTS.values() for key in settings} - DEFAULTS[kind].keys():
            del self.fields[name]
        if kind != Kind.EVENT:
            del self.fields["source"]
        self.fields["input"].help_text = str(INPUT_HELP[Kind(kind)])
        if trigger is None and kind == Kind.WEBHOOK:
            self.fields["input"].initial = '"{{ body }}"'
        open_ones = Workflow.objects.filter(team=team, archived_at=None)
        for name in ("workflow", "source"):
            choices = self.fields.get(name)
            if isinstance(choices, forms.ModelChoiceField):
                choices.queryset = open_ones

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for `create_trigger` and `update_trigger`."""
        data = dict(self.cleaned_data)
        settings = {key: data.pop(key) for key in DEFAULTS[self.kind] if key in data}
        if settings.get("catch_up", 0) is None:
            del settings["catch_up"]
        data["input"] = {} if data["input"] is None else data["input"]
        return {**data, "settings": settings}


def _initial(trigger: Trigger) -> dict[str, Any]:
    shown = json.dumps(trigger.input, ensure_ascii=False, indent=2)
    own = {
        field: getattr(trigger, field) for field in ("name", "workflow", "source", "priority", "is_enabled")
    }
    return {**trigger.settings, **own, "input": shown}
