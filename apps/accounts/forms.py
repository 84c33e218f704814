"""Forms of the pages around an account that are not allauth's own."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Theme


class PreferencesForm(forms.Form):
    """What the switches in the top bar send: any of language, theme and team, and where to go back to."""

    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES, required=False)
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme, required=False)
    team = forms.SlugField(label=_("Team"), max_length=80, required=False)
    next = forms.CharField(max_length=500, required=False)
