"""The components of the design system as template tags: `{% load ui %}`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Widget
from django.template.base import FilterExpression, Node, NodeList, Parser, Token, token_kwargs
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.portal import charts
from apps.runs.models import NODE_STATUS_CHOICES, RUN_STATUS_CHOICES

register = template.Library()

STATUS_LABELS = {str(status): label for status, label in (*RUN_STATUS_CHOICES, *NODE_STATUS_CHOICES)}
TONE_ICONS = {"success": "success", "warning": "warning", "error": "error", "info": "info"}
ATTRIBUTE_PREFIXES = ("data_", "aria_", "hx_", "form")


def attributes(values: Mapping[str, Any]) -> SafeString:
    """Render arguments as attributes: `data_run_id=1` is `data-run-id="1"`; None and False are left out."""
    pairs = [(name.strip("_").replace("_", "-"), value) for name, value in values.items()]
    return format_html_join(
        "",
        ' {}="{}"',
        [
            (name, "" if value is True else value)
            for name, value in pairs
            if value is not None and value is not False
        ],
    )


# Slots: `{% ui "card" title=… %}body{% slot "actions" %}…{% endslot %}{% endui %}` -----------------


class SlotNode(Node):
    """A named part of a component's body."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        return self.nodelist.render(context)


class ComponentNode(Node):
    """A component: `components/<name>.html` with its arguments, `body` and `slots`."""

    def __init__(self, name: str, arguments: dict[str, FilterExpression], nodelist: NodeList) -> None:
        self.name = name
        self.arguments = arguments
        self.slots = {node.name: node for node in nodelist if isinstance(node, SlotNode)}
        self.nodelist = NodeList(node for node in nodelist if not isinstance(node, SlotNode))

    def render(self, context: Context) -> SafeString:
        values: dict[str, Any] = {name: value.resolve(context) for name, value in self.arguments.items()}
        extra = {name: values.pop(name) for name in list(values) if name.startswith(ATTRIBUTE_PREFIXES)}
        values["attrs"] = attributes(extra)
        values["body"] = self.nodelist.render(context)
        values["slots"] = {name: slot.render(context) for name, slot in self.slots.items()}
        engine = context.template.engine  # type: ignore[union-attr]  # bound while rendering
        return engine.get_template(f"components/{self.name}.html").render(context.new(values))


@register.tag
def slot(parser: Parser, token: Token) -> SlotNode:
    """Fill a named slot of the component around it."""
    name = token.split_contents()[1].strip("'\"")
    nodelist = parser.parse(("endslot",))
    parser.delete_first_token()
    return SlotNode(name, nodelist)


@register.tag
def ui(parser: Parser, token: Token) -> ComponentNode:
    """Render a component with a body: card, dialog, drawer, menu, alert."""
    bits = token.split_contents()[1:]
    name = bits.pop(0).strip("'\"")
    arguments = token_kwargs(bits, parser)
    if bits:
        raise template.TemplateSyntaxError(f"ui takes keyword arguments only, got {bits!r}")
    nodelist = parser.parse(("endui",))
    parser.delete_first_token()
    return ComponentNode(name, arguments, nodelist)


# Small things --------------------------------------------------------------------------------------


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """Draw an icon of `static/icons.svg`; without a label it is decoration."""
    return format_html(
        '<svg class="icon {}"{}><use href="{}#{}"></use></svg>',
        css,
        attributes({"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}),
        static("icons.svg"),
        name,
    )


@register.inclusion_tag("components/button.html")
def button(label: str = "", **options: Any) -> dict[str, Any]:
    """A button, or a link that looks like one when `href` is given.

    Options: variant (primary, secondary, ghost, outline), size (sm, md, lg), icon, icon_only, danger,
    loading, disabled, href, type, name, value, css, and any data_*, aria_*, hx_* and form* attribute.
    """
    extra = {name: options.pop(name) for name in list(options) if name.startswith(ATTRIBUTE_PREFIXES)}
    for name in (
        "id",
        "name",
        "value",
        "title",
        "hidden",
        "popovertarget",
        "commandfor",
        "command",
        "download",
    ):
        extra[name] = options.pop(name, None)
    return {
        "label": label,
        "variant": options.pop("variant", "primary"),
        "size": options.pop("size", "md"),
        "type": options.pop("type", "button"),
        "attrs": attributes(extra),
        **options,
    }


@register.inclusion_tag("components/badge.html")
def badge(label: Any, tone: str = "", icon: str = "", css: str = "") -> dict[str, Any]:
    """A small label; tone is info, success, warning, error, second or nothing."""
    return {"label": label, "tone": tone, "icon": icon, "css": css}


@register.inclusion_tag("components/status.html")
def status(value: str, bare: bool = False) -> dict[str, Any]:
    """The status of a run or a node run: an icon and a word, never colour alone."""
    return {"status": value, "bare": bare}


@register.inclusion_tag("components/status_templates.html")
def status_templates() -> dict[str, Any]:
    """One `<template data-status-template="…">` per status, for scripts that change a status in place."""
    return {"statuses": list(STATUS_LABELS)}


@register.filter
def status_label(value: str) -> str:
    """Return a status in the reader's language."""
    return str(STATUS_LABELS.get(str(value), value))


@register.inclusion_tag("components/avatar.html")
def avatar(user: User, size: str = "md") -> dict[str, Any]:
    """A person's picture, or the initials of the name."""
    words = user.name.split() or [user.username]
    initials = words[0][0] + (words[-1][0] if len(words) > 1 else "")
    return {"user": user, "initials": initials, "size": size}


@register.inclusion_tag("components/stat.html")
def stat(label: str, value: Any, hint: str = "", **extra: Any) -> dict[str, Any]:
    """A figure with its name; extra data_* attributes go to the figure itself."""
    return {"label": label, "value": value, "hint": hint, "attrs": attributes(extra)}


@register.inclusion_tag("components/empty.html")
def empty(
    title: str, text: str = "", icon: str = "info", href: str = "", action: str = "", action_icon: str = ""
) -> dict[str, Any]:
    """What a list says when it has nothing: why, and what to do about it."""
    return {
        "title": title,
        "text": text,
        "icon": icon,
        "href": href,
        "action": action,
        "action_icon": action_icon,
    }


@register.inclusion_tag("components/tabs.html")
def tabs(items: Iterable[Mapping[str, Any]], label: str = "") -> dict[str, Any]:
    """Links that look like tabs; each item is `{label, url, current, icon?, count?}`."""
    return {"items": items, "label": label or _("Sections")}


@register.inclusion_tag("components/timeline.html")
def timeline(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Things in order of time; each item is `{title, at?, text?, tone?}`."""
    return {"items": items}


@register.inclusion_tag("components/code.html")
def code(text: str, title: str = "", wrap: bool = False) -> dict[str, Any]:
    """Text in a fixed-width box with a button that copies it."""
    return {"text": text, "title": title, "wrap": wrap}


@register.inclusion_tag("components/diff.html")
def diff(rows: Iterable[Mapping[str, Any]], label: str = "") -> dict[str, Any]:
    """Lines of a text diff; each row is `{change, before, after, text}`, change is added, removed, same or gap."""
    return {"rows": rows, "label": label or _("Changes")}


@register.inclusion_tag("components/chart.html")
def chart(
    values: Sequence[float], labels: Sequence[str] = (), title: str = "", total: str = "", kind: str = "bar"
) -> dict[str, Any]:
    """A server-rendered SVG chart, `kind` bar or line, with a table of the same values for screen readers."""
    numbers = [float(value) for value in values]
    names = [str(label) for label in labels]
    return {
        "title": title,
        "total": total,
        "kind": kind,
        "bars": charts.bars(numbers, names),
        "line": charts.line(numbers),
        "area": charts.area(numbers),
        "labels": names,
        "rows": list(zip(names, values, strict=False)),
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
    }


# Forms ---------------------------------------------------------------------------------------------


@register.inclusion_tag("components/field.html")
def field(
    bound: BoundField, label: str = "", help: str | bool = "", css: str = "", **extra: Any
) -> dict[str, Any]:
    """A form field with its label, help and errors, tied together for screen readers."""
    widget = bound.field.widget
    help_text = bound.help_text if help == "" else help
    described = [f"{bound.auto_id}_help"] if help_text else []
    described += [f"{bound.auto_id}_errors"] if bound.errors else []
    attrs = {"placeholder": False} | {name.replace("_", "-"): value for name, value in extra.items()}
    attrs["aria-describedby"] = " ".join(described) or None
    attrs["class"] = " ".join(filter(None, (_widget_class(widget), widget.attrs.get("class"), css)))
    return {
        "bound": bound,
        "label": label or bound.label,
        "help": help_text,
        "is_check": isinstance(widget, CheckboxInput),
        "is_group": isinstance(widget, RadioSelect | CheckboxSelectMultiple),
        "is_optional": not bound.field.required and not isinstance(widget, CheckboxInput),
        "control": bound.as_widget(attrs={k: v for k, v in attrs.items() if v is not None and v != ""}),
    }


def _widget_class(widget: Widget) -> str:
    if isinstance(widget, CheckboxInput | RadioSelect | CheckboxSelectMultiple):
        return ""
    return "input"


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: Any) -> dict[str, Any]:
    """What is wrong with a form as a whole."""
    return {"errors": form.non_field_errors()}


@register.filter
def tone_icon(tone: str) -> str:
    """Return the icon that goes with a tone; message levels are tones too."""
    return TONE_ICONS.get(tone.split()[-1] if tone else "", "info")


@register.filter
def as_options(value: Any) -> str:
    """Return a value as JSON for an attribute that a script reads; the template escapes it."""
    return json.dumps(value)


@register.simple_tag
def sprite() -> SafeString:
    """Return the address of the icon sprite, for scripts."""
    return mark_safe(static("icons.svg"))  # noqa: S308  (an own static path)
