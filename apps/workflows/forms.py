"""What people fill in about workflows: where a new one comes from, and what it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.workflows.actions import read_text
from apps.workflows.models import WhenFull
from orchestra.engine.limits import DEFINITION_BYTES

BLANK = "blank"
EMPTY = "empty"
PASTE = "paste"


def samples() -> dict[str, Path]:
    """Return the sample workflows that the product ships, by name."""
    return {path.stem: path for path in sorted((settings.BASE_DIR / "samples").glob("*.yaml"))}


def sample_cards() -> list[dict[str, str]]:
    """Return name, title and description of each sample that can be read, in the reader's language."""
    cards = []
    for name, path in samples().items():
        definition, _problems = read_text(path.read_text(encoding="utf-8"))
        if definition is not None:
            title, text = str(definition.get("name") or name), str(definition.get("description") or "")
            cards.append({"value": name, "title": gettext(title), "text": text and gettext(text)})
    return cards


class TagsField(forms.CharField):
    """Words with commas between them."""

    def clean(self, value: Any) -> list[str]:
        words = str(super().clean(value) or "").replace("，", ",").split(",")
        return list(dict.fromkeys(word.strip() for word in words if word.strip()))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class CreateForm(forms.Form):
    """A new workflow: blank, from a sample, or from YAML that is pasted or read from a file."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        required=False,
        help_text=_("Left empty, the name in the definition is taken."),
    )
    source = forms.CharField(initial=BLANK, max_length=80)
    text = forms.CharField(
        label=_("Definition (YAML or JSON)"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "is-mono", "spellcheck": "false"}),
    )
    file = forms.FileField(label=_("or a file"), required=False)

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size > DEFINITION_BYTES:
            raise forms.ValidationError(_("The file is larger than 1 MiB."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError(_("The file is not text in UTF-8.")) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        source = data.get("source")
        data["text"], data["definition"], pasted = None, None, data.get("text")
        found = samples()
        if source in found:
            data["text"] = found[source].read_text(encoding="utf-8")
        elif source == PASTE:
            data["text"] = data.get("file") or pasted or ""
            if not data["text"].strip() and "file" not in self.errors:
                self.add_error("text", _("Paste a definition or choose a file."))
        elif source in (BLANK, EMPTY):
            if source == EMPTY:
                data["definition"] = {"orchestra": 1, "name": data.get("name"), "nodes": {}}
            if not data.get("name"):
                self.add_error("name", _("A workflow needs a name."))
        else:
            self.add_error("source", _("Choose where to start from."))
        return data


class AboutForm(forms.Form):
    """What lists show of a workflow, and how many of its runs go on at once."""

    name = forms.CharField(label=_("Name"), max_length=120)
    description = forms.CharField(
        label=_("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    tags = TagsField(
        label=_("Tags"), required=False, max_length=400, help_text=_("With commas between them.")
    )
    max_runs = forms.IntegerField(
        label=_("Runs at once"),
        required=False,
        min_value=1,
        max_value=100_000,
        help_text=_("Left empty, any number."),
    )
    when_full = forms.ChoiceField(label=_("When that many run"), choices=WhenFull.choices, required=False)

    def clean_max_runs(self) -> int:
        """Return 0 for no limit."""
        return self.cleaned_data["max_runs"] or 0

    def clean_when_full(self) -> str | None:
        return self.cleaned_data["when_full"] or None
