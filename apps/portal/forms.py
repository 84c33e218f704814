"""Forms of the settings and team pages."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.forms.utils import flatatt
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from apps.accounts.actions.people import PROFILE_FIELDS
from apps.accounts.models import Role, Theme, User
from apps.accounts.scopes import Scope


@cache
def time_zones() -> list[str]:
    """Return the names of all time zones that name a place, UTC first."""
    places = {name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/")}
    return ["UTC", *sorted(places)]


class ZoneSelect(forms.Select):
    """A list of several hundred choices, written at once: a template for each of them would take its time."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        options = format_html_join(
            "\n",
            '<option value="{}"{}>{}</option>',
            ((zone, _selected(zone == value), zone.replace("_", " ")) for zone in time_zones()),
        )
        flat = flatatt(self.build_attrs(self.attrs, {"name": name, **(attrs or {})}))
        return format_html("<select{}>{}</select>", flat, options)


def _selected(is_chosen: bool) -> SafeString:
    return mark_safe(" selected" if is_chosen else "")  # noqa: S308  (one of two constants)


def _languages() -> list[tuple[str, str]]:
    return [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]


class ProfileForm(forms.Form):
    """What a person may change about themselves."""

    display_name = forms.CharField(
        label=_("Display name"), max_length=80, required=False, help_text=_("How others see you.")
    )
    email = forms.EmailField(
        label=_("E-mail address"), required=True, widget=forms.EmailInput({"autocomplete": "email"})
    )
    language = forms.ChoiceField(label=_("Language"), choices=_languages)
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=lambda: [(name, name) for name in time_zones()], widget=ZoneSelect
    )
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme, widget=forms.RadioSelect)

    @classmethod
    def of(cls, user: User, language: str, data: Any = None) -> ProfileForm:
        """Return the form filled with a person's own values."""
        initial = {name: getattr(user, name) for name in PROFILE_FIELDS}
        initial["language"] = user.language or language
        return cls(data, initial=initial)


class AvatarForm(forms.Form):
    picture = forms.FileField(
        label=_("Picture"),
        help_text=_("PNG, JPEG or WebP, up to 5 MB; it is cut to 200 × 200 pixels."),
        widget=forms.ClearableFileInput({"accept": "image/png,image/jpeg,image/webp"}),
    )


class ApiKeyForm(forms.Form):
    """What a new API key is for, what it may do, and how long."""

    LIVES = [
        ("30", _("30 days")),
        ("90", _("90 days")),
        ("365", _("1 year")),
        ("0", _("Until it is revoked")),
    ]

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("What the key is for, so that you know it again.")
    )
    days = forms.ChoiceField(label=_("Valid for"), choices=LIVES, initial="90")
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=Scope,
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ, Scope.RUN],
    )

    def expires_at(self) -> datetime | None:
        """Return when the key ends, or None when it does not."""
        days = int(self.cleaned_data["days"])
        return timezone.now() + timedelta(days=days) if days else None


class TeamForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)


class InvitationForm(forms.Form):
    """Who is invited, and as what."""

    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("Where the link is sent, if this installation sends mail; you get it too."),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role, initial=Role.EDITOR)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role)
