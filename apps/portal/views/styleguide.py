"""The style guide: every component in every form, in the theme and language of the reader."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django import forms
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.runs.models import NODE_STATUS_CHOICES, RUN_STATUS_CHOICES

RAMPS = ("primary", "secondary", "success", "warning", "error", "gray")
STOPS = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950)


class SampleForm(forms.Form):
    """One field of each sort."""

    name = forms.CharField(
        label=gettext_lazy("Name"), help_text=gettext_lazy("Shown to everybody in the team.")
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=[("a", gettext_lazy("First")), ("b", gettext_lazy("Second"))]
    )
    amount = forms.IntegerField(label=gettext_lazy("Amount"), required=False, min_value=0)
    text = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=forms.Textarea({"rows": 3})
    )
    document = forms.FileField(label=gettext_lazy("File"), required=False)
    choice = forms.ChoiceField(
        label=gettext_lazy("Choice"),
        widget=forms.RadioSelect,
        choices=[("x", gettext_lazy("First")), ("y", gettext_lazy("Second"))],
        initial="x",
    )
    agreed = forms.BooleanField(label=gettext_lazy("Tell me when it is done"), required=False, initial=True)


def styleguide(request: HttpRequest) -> HttpResponse:
    """Show the components; the page needs no login and reads nothing."""
    form = SampleForm({"name": "", "kind": "a", "amount": "-3", "choice": "x", "agreed": "on"})
    form.full_clean()
    return render(
        request, "portal/styleguide.html", {"form": form, "ramps": _ramps(), "icons": _icons(), **_samples()}
    )


@cache
def _icons() -> list[str]:
    """Return the names of all icons, as the sprite itself lists them."""
    path = finders.find("icons.svg")
    return re.findall(r'<symbol id="([^"]+)"', Path(path).read_text()) if isinstance(path, str) else []


def _ramps() -> list[dict[str, Any]]:
    return [{"name": name, "stops": STOPS} for name in RAMPS]


def _samples() -> dict[str, Any]:
    now = timezone.now()
    return {
        "variants": ["primary", "secondary", "outline", "ghost"],
        "sizes": ["sm", "md", "lg"],
        "person": User(username="ada", display_name="Ada Lovelace"),
        "run_statuses": [str(status) for status, _label in RUN_STATUS_CHOICES],
        "node_statuses": [str(status) for status, _label in NODE_STATUS_CHOICES],
        "tab_items": [
            {"label": _("Overview"), "url": "#tabs", "current": True, "icon": "list"},
            {"label": _("Runs"), "url": "#tabs", "count": 12},
            {"label": _("Versions"), "url": "#tabs", "count": 3},
        ],
        "events": [
            {"title": _("Run started"), "at": now - timedelta(minutes=12), "tone": "info"},
            {
                "title": _("Node waits"),
                "text": _("The model allows 60 requests a minute."),
                "tone": "warning",
            },
            {"title": _("Run succeeded"), "at": now - timedelta(minutes=9), "tone": "success"},
        ],
        "sample_code": "name: brief\nnodes:\n  - id: split\n    kind: function\n    function: split_text\n",
        "diff_rows": [
            {"change": "same", "before": 1, "after": 1, "text": "nodes:"},
            {"change": "removed", "before": 2, "after": None, "text": "  - id: summarise"},
            {"change": "added", "before": None, "after": 2, "text": "  - id: summary"},
            {"change": "gap", "before": None, "after": None, "text": "…"},
            {"change": "same", "before": 24, "after": 24, "text": "    kind: llm"},
        ],
        "chart_values": [4, 9, 3, 12, 18, 7, 0, 22, 15, 11, 19, 26],
        "chart_labels": [f"{hour}:00" for hour in range(0, 24, 2)],
        "moment": now - timedelta(hours=2),
    }
