"""Forms of the chat: whom to talk to, and what to say."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team
from apps.agents.models import Agent
from apps.chat.models import LONGEST_TEXT, LONGEST_TITLE, Partner, WhenBusy
from apps.workflows.models import Workflow

MOST_CHOICES = 200


class NewConversationForm(forms.Form):
    """Whom to talk to, and the first message, which may come later."""

    partner = forms.ChoiceField(label=_("Talk to"))
    text = forms.CharField(
        label=_("Message"),
        required=False,
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, team: Team, **options: Any) -> None:
        super().__init__(*args, **options)
        agents = Agent.objects.filter(team=team, is_enabled=True)[:MOST_CHOICES]
        flows = Workflow.objects.filter(team=team, archived_at=None, published__isnull=False)[:MOST_CHOICES]
        self._rows: dict[str, tuple[str, Any]] = {Partner.MODEL.value: ("", None)}
        self._rows |= {f"agent:{one.slug}": ("agent", one) for one in agents}
        self._rows |= {f"workflow:{one.slug}": ("workflow", one) for one in flows}
        named = [(key, row.name) for key, (_field, row) in self._rows.items() if row is not None]
        self.fields["partner"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (Partner.MODEL.value, Partner.MODEL.label),
            (_("Agents"), [choice for choice in named if choice[0].startswith("agent:")]),
            (_("Workflows"), [choice for choice in named if choice[0].startswith("workflow:")]),
        ]

    def chosen(self) -> dict[str, Any]:
        """Return whom the person chose, as arguments of `start_conversation`."""
        field, row = self._rows[self.cleaned_data["partner"]]
        return {field: row} if field else {}


class ConversationForm(forms.Form):
    """What a conversation is called, and what a message during an answer comes to."""

    title = forms.CharField(label=_("Title"), required=False, max_length=LONGEST_TITLE)
    when_busy = forms.ChoiceField(
        label=_("A message during an answer"), choices=WhenBusy.choices, widget=forms.RadioSelect
    )


class TrialForm(forms.Form):
    """What an agent is asked on its test bench."""

    text = forms.CharField(
        label=_("Message"), max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 4})
    )
