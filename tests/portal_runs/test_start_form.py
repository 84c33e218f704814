"""The start form: a field per input, read back into the input of a run."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.runs.forms import StartForm
from orchestra.errors import Problem

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["document", "tone"],
    "properties": {
        "document": {"type": "string", "format": "textarea", "title": "Document", "description": "The text."},
        "tone": {"enum": ["plain", "formal"], "default": "plain"},
        "size": {"type": "integer", "default": 3},
        "ratio": {"type": "number"},
        "loud": {"type": "boolean"},
        "audiences": {"type": "array", "items": {"type": "string"}, "default": ["engineers"]},
        "extra": {"type": "object"},
        "level": {"enum": [1, 2]},
    },
}
GIVEN = {
    "priority": "1",
    "input-document": "  Text with spaces ",
    "input-tone": "formal",
    "input-size": "5",
    "input-ratio": "0.5",
    "input-loud": "on",
    "input-audiences": "cooks\n\n sailors ",
    "input-extra": '{"a": [1]}',
    "input-level": "2",
}


def form_of(data: dict[str, Any], files: dict[str, Any] | None = None, schema: Any = SCHEMA) -> StartForm:
    return StartForm(schema, data, files)


def test_every_type_is_read_back_as_json_has_it() -> None:
    form = form_of(GIVEN)

    assert form.is_valid(), form.errors
    assert form.input == {
        "document": "  Text with spaces ",
        "tone": "formal",
        "size": 5,
        "ratio": 0.5,
        "loud": True,
        "audiences": ["cooks", "sailors"],
        "extra": {"a": [1]},
        "level": 2,
    }


def test_what_is_left_empty_is_left_out_unless_empty_is_a_decision() -> None:
    form = form_of({"priority": "1", "input-document": "x", "input-tone": "plain", "input-audiences": ""})

    assert form.is_valid(), form.errors
    assert form.input == {"document": "x", "tone": "plain", "loud": False, "audiences": []}


def test_a_missing_required_input_is_said_at_its_field() -> None:
    form = form_of({"priority": "1"})

    assert not form.is_valid()
    assert set(form.errors) == {"input-document", "input-tone"}


def test_a_file_fills_its_text_and_satisfies_required() -> None:
    file = SimpleUploadedFile("a.txt", "\ufeffGrüße 你好".encode())

    form = form_of({"priority": "1", "input-tone": "plain"}, {"file-document": file})

    assert form.is_valid(), form.errors
    assert form.input["document"] == "Grüße 你好"


def test_a_file_that_is_not_text_is_refused_at_its_field() -> None:
    form = form_of(
        {"priority": "1", "input-tone": "plain"}, {"file-document": SimpleUploadedFile("a", b"\xff\xfe\x00")}
    )

    assert not form.is_valid()
    assert "input-document" in form.errors


@pytest.mark.parametrize("text", ["{", "NaN", "[1,]", "[" * 100_000])
def test_text_that_is_not_json_is_refused_at_its_field(text: str) -> None:
    form = form_of({**GIVEN, "input-extra": text})

    assert not form.is_valid()
    assert set(form.errors) == {"input-extra"}


def test_defaults_are_filled_in_and_last_values_win() -> None:
    fresh, again = StartForm(SCHEMA), StartForm(SCHEMA, values={"size": 9, "audiences": ["a", "b"]})

    assert fresh["input-size"].value() == 3
    assert fresh["input-audiences"].value() == "engineers"
    assert again["input-size"].value() == 9
    assert again["input-audiences"].value() == "a\nb"


def test_titles_helps_and_widgets_come_from_the_schema() -> None:
    form = StartForm(SCHEMA)

    assert form["input-document"].label == "Document"
    assert form["input-document"].help_text == "The text."
    assert isinstance(form.fields["input-document"].widget, forms.Textarea)
    assert isinstance(form.fields["input-tone"], forms.ChoiceField)
    assert [item["file"] is not None for item in form.inputs] == [True] + [False] * 7


@pytest.mark.parametrize(
    "schema", [None, {}, {"type": "object"}, {"properties": 5}, {"properties": {"a": 3}}, []]
)
def test_a_workflow_without_named_inputs_takes_one_json_value(schema: Any) -> None:
    form = form_of({"priority": "1", "input-": '{"anything": 1}'}, schema=schema)

    assert form.is_valid(), form.errors
    assert form.input == {"anything": 1}


def test_problems_of_the_input_stand_at_their_fields_and_others_above() -> None:
    form = form_of(GIVEN)
    assert form.is_valid()

    form.take_problems([Problem("input.audiences[1]", "x", "Too short."), Problem("input", "y", "Strange.")])

    assert form.errors["input-audiences"] == ["[1]: Too short."]
    assert form.non_field_errors() == ["input: Strange."]


def test_tags_are_words_between_commas() -> None:
    form = form_of({**GIVEN, "tags": "a, b，a ,"})

    assert form.is_valid()
    assert form.tag_list == ["a", "b"]
