"""The start form: made from a workflow's `inputs` (JSON Schema), read back into the input of a run.

It only reads what was typed; whether the input fits is decided in one place, by `start_run`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.runs.models import PriorityLevel
from orchestra.errors import Problem

FILE_BYTES = 1024 * 1024
PREFIX = "input-"
FILE_PREFIX = "file-"


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    widget = forms.Textarea(attrs={"rows": 4})

    def clean(self, value: Any) -> list[str]:
        text = str(super().clean(value) or "")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class OpenTextarea(forms.Textarea):
    """A text area that the browser lets pass while it is empty: a file may come instead."""

    def use_required_attribute(self, initial: Any) -> bool:
        return False


class LongTextField(forms.CharField):
    """A text of many lines; whether it is missing is only known when its file has been looked at."""

    widget = OpenTextarea(attrs={"rows": 10})

    def validate(self, value: Any) -> None:
        """Leave "required" to the form."""


class JsonField(forms.CharField):
    """Any JSON value; empty text is no value."""

    widget = forms.Textarea(attrs={"rows": 5, "class": "is-mono", "spellcheck": "false"})

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value) or "")
        if not text.strip():
            return None
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is not JSON: %(why)s"), params={"why": error}) from None

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False, indent=2)


def _refuse(name: str) -> Any:
    raise ValueError(name)


class SchemaForm(forms.Form):
    """One field for each property of an object that a JSON Schema describes."""

    def __init__(
        self, schema: Any, *args: Any, values: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.rules = properties_of(schema)
        self.schema = schema if isinstance(schema, Mapping) else {}
        required = self.schema.get("required")
        wanted = set(required) if isinstance(required, list) else set()
        for name, rule in self.rules.items():
            field = field_for(name, rule, is_required=name in wanted)
            field.initial = (values or {}).get(name, rule.get("default"))
            self.fields[PREFIX + name] = field
            if is_long(rule):
                self.fields[FILE_PREFIX + name] = forms.FileField(required=False)
        if not self.rules:
            self.fields[PREFIX] = JsonField(label=_("Input (JSON)"), required=False)
            self.fields[PREFIX].initial = values or {}

    def leave_out(self, *fields: str, inputs: Iterable[str] = ()) -> None:
        """Ask for neither these fields nor these inputs; before the form is validated."""
        for name in fields:
            self.fields.pop(name, None)
        for name in set(inputs) & self.rules.keys():
            del self.rules[name]
            self.fields.pop(PREFIX + name, None)
            self.fields.pop(FILE_PREFIX + name, None)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The fields of the inputs, each with the file field that can fill it."""
        named = [PREFIX + name for name in self.rules] or [PREFIX]
        names = [name for name in named if name in self.fields]
        files = {PREFIX + name: FILE_PREFIX + name for name in self.rules}
        return [
            {"field": self[name], "file": self[files[name]] if files.get(name) in self.fields else None}
            for name in names
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, rule in self.rules.items():
            if is_long(rule) and (file := data.get(FILE_PREFIX + name)):
                self._read_file(name, file)
            elif self._is_missing(name):
                self.add_error(PREFIX + name, _("This field is required."))
        return data

    def _is_missing(self, name: str) -> bool:
        key = PREFIX + name
        is_missing = self.fields[key].required and not self.cleaned_data.get(key) and key not in self.errors
        return is_missing and is_long(self.rules[name])

    def _read_file(self, name: str, file: Any) -> None:
        try:
            if file.size > FILE_BYTES:
                raise forms.ValidationError(_("The file is larger than 1 MiB."))
            self.cleaned_data[PREFIX + name] = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add_error(PREFIX + name, _("The file is not text in UTF-8."))
        except forms.ValidationError as error:
            self.add_error(PREFIX + name, error)

    @property
    def input(self) -> Any:
        """The input as `start_run` takes it; what was left empty and is not required is left out."""
        if not self.rules:
            given = self.cleaned_data.get(PREFIX)
            return {} if given is None else given
        found = {}
        for name, rule in self.rules.items():
            value = self.cleaned_data.get(PREFIX + name)
            if value is None or (value in ("", []) and not _keeps_empty(rule)):
                continue
            found[name] = value
        return found

    def take_problems(self, problems: Iterable[Problem], root: str = "input") -> None:
        """Show each problem at the field its path names (`input.document`), the rest above the form."""
        for problem in problems:
            name = problem.path.removeprefix(root).lstrip(".").partition(".")[0].partition("[")[0]
            key = PREFIX + name if name in self.rules else None
            where = problem.path.removeprefix(f"{root}.{name}") if key else problem.path
            self.add_error(
                key, f"{where}: {problem.message}".removeprefix(": ") if where else problem.message
            )


class StartForm(SchemaForm):
    """The inputs of a workflow, and under "more" what concerns the run itself."""

    priority = forms.TypedChoiceField(
        label=_("Priority"), choices=PriorityLevel.choices, coerce=int, initial=PriorityLevel.NORMAL
    )
    tags = forms.CharField(
        label=_("Tags"), required=False, max_length=400, help_text=_("With commas between them.")
    )

    @property
    def tag_list(self) -> list[str]:
        words = str(self.cleaned_data.get("tags") or "").replace("，", ",").split(",")
        return list(dict.fromkeys(word.strip() for word in words if word.strip()))


class DecisionForm(SchemaForm):
    """What an approval asks to be filled in, and a comment."""

    comment = forms.CharField(
        label=_("Comment"), required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, schema: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(schema, *args, **kwargs)
        if schema is None:
            self.fields.pop(PREFIX)


def properties_of(schema: Any) -> dict[str, Mapping[str, Any]]:
    """Return the rules of an object's properties that a form can show; nothing for any other schema."""
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {str(name): rule for name, rule in found.items() if isinstance(rule, Mapping)}


def is_long(rule: Mapping[str, Any]) -> bool:
    """Say whether an input is a text of many lines, which a file can fill as well."""
    return rule.get("type") == "string" and rule.get("format") in {"textarea", "file", "markdown"}


def _keeps_empty(rule: Mapping[str, Any]) -> bool:
    """Say whether an empty list must be sent: where the default is another, empty is a decision."""
    return rule.get("type") == "array" and bool(rule.get("default"))


def field_for(name: str, rule: Mapping[str, Any], *, is_required: bool) -> forms.Field:
    """Return the form field of one input."""
    options: dict[str, Any] = {
        "label": str(rule.get("title") or name),
        "help_text": str(rule.get("description") or ""),
        "required": is_required,
    }
    return _choice_field(rule, options) or _typed_field(rule, options)


def _choice_field(rule: Mapping[str, Any], options: dict[str, Any]) -> forms.Field | None:
    values = rule.get("enum")
    if not isinstance(values, list) or not values:
        return None
    by_text = {value if isinstance(value, str) else json.dumps(value): value for value in values}
    choices = [(text, text) for text in by_text]
    if not options["required"]:
        choices.insert(0, ("", "—"))
    return forms.TypedChoiceField(choices=choices, coerce=by_text.__getitem__, empty_value=None, **options)


def _typed_field(rule: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    kind = rule.get("type")
    if kind == "string":
        return _text_field(rule, options)
    if kind == "integer":
        return forms.IntegerField(**options)
    if kind == "number":
        return forms.FloatField(**options)
    if kind == "boolean":
        return forms.BooleanField(**{**options, "required": False})
    items = rule.get("items")
    if (
        kind == "array"
        and isinstance(items, Mapping)
        and items.get("type") == "string"
        and "enum" not in items
    ):
        options["help_text"] = options["help_text"] or _("One in each line.")
        return LinesField(**{**options, "required": False})
    return JsonField(**options)


def _text_field(rule: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    named = str(rule.get("format") or "")
    widgets: dict[str, forms.Widget] = {
        "date": forms.DateInput(attrs={"type": "date"}),
        "email": forms.EmailInput(),
        "uri": forms.URLInput(),
    }
    longest = rule.get("maxLength")
    options |= {"strip": False, "max_length": longest if isinstance(longest, int) else None}
    if is_long(rule):
        return LongTextField(**options)
    return forms.CharField(widget=widgets.get(named, forms.TextInput()), **options)
