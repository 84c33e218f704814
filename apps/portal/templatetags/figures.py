"""Numbers, times, money and JSON as people read them, in the language of the page: `{% load figures %}`."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": "¥", "JPY": "¥"}
SMALL_COST = Decimal("0.01")


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago it was; the exact time is in the tooltip, and scripts keep the words fresh."""
    if moment is None:
        return "—"
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.isoformat(),
        date_format(timezone.localtime(moment), "DATETIME_FORMAT"),
        naturaltime(moment),
    )


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """A date and time in the reader's zone and language."""
    if value is None:
        return "—"
    return format_html(
        '<time datetime="{}">{}</time>',
        value.isoformat(),
        date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT"),
    )


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "—"
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": number_format(round(max(seconds, 0), 1), 1)}
    whole = round(seconds)
    if whole < 60:
        return _("%(seconds)s s") % {"seconds": whole}
    if whole < 3600:
        return _("%(minutes)s min %(seconds)s s") % {"minutes": whole // 60, "seconds": whole % 60}
    return _("%(hours)s h %(minutes)s min") % {"hours": whole // 3600, "minutes": whole % 3600 // 60}


@register.filter
def compact(value: float | None) -> str:
    """A count that fits a narrow column: 950, 12.4k, 3.1M; in Chinese 万 and 亿."""
    if value is None:
        return "—"
    steps = (
        [(1e8, "亿"), (1e4, "万")]
        if (get_language() or "").startswith("zh")
        else [(1e9, "B"), (1e6, "M"), (1e3, "k")]
    )
    for size, unit in steps:
        if abs(value) >= size:
            return number_format(round(value / size, 1), 1).rstrip("0").rstrip(".,") + unit
    return number_format(value, 0, force_grouping=True)


@register.filter
def percent(share: float | None) -> str:
    """Show a share from 0 to 1: `42 %`."""
    return "" if share is None else f"{share:.0%}".replace("%", " %")


@register.filter
def money(value: Decimal | float | None) -> str:
    """A cost in the currency of the installation; small amounts keep four digits."""
    if value is None:
        return "—"
    amount = Decimal(str(value))
    digits = 4 if 0 < abs(amount) < SMALL_COST * 100 else 2
    symbol = SYMBOLS.get(settings.ORCHESTRA_CURRENCY, settings.ORCHESTRA_CURRENCY + "\N{NO-BREAK SPACE}")
    return symbol + number_format(round(amount, digits), digits)


@register.filter
def pretty(value: Any) -> str:
    """JSON with indentation; text stays as it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def said(message: str) -> str:
    """A message of the core, which knows no languages, in the reader's language where the catalogue has it."""
    return _(message) if message else ""
