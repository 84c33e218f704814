"""Bodies that mean one thing only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from apps.accounts.models import Team
from orchestra.api import parse_json
from orchestra.api_parsing import MAX_BYTES, MAX_DEPTH

PATH = "/api/v1/workflows"


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": "\x00"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        nested(MAX_DEPTH + 1),
        nested(100_000),
        b'{"a":' * 20_000,
    ],
)
def test_json_that_could_be_misread_is_a_bad_request(api: APIClient, team: Team, body: bytes):
    answer = api.generic("POST", PATH, body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["code"] == "parse_error"


def test_the_place_of_a_mistake_is_named(api: APIClient, team: Team):
    answer = api.generic("POST", PATH, b'{\n  "name": ,\n}', content_type="application/json")

    assert "line 2, column 11" in answer.json()["detail"]


def test_a_body_that_is_too_large_is_refused_without_reading_it(api: APIClient, team: Team):
    answer = api.generic("POST", PATH, b" " * (MAX_BYTES + 1), content_type="application/json")

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("body", [[], "text", 3, None, True])
def test_a_body_that_is_no_object_is_a_bad_request(api: APIClient, team: Team, body: Any):
    answer = api.generic("POST", PATH, json.dumps(body).encode(), content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["problems"]


def test_the_deepest_body_that_is_allowed_is_read():
    assert parse_json(nested(MAX_DEPTH)) is not None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('ab é你😀"\\/\n\u007f'), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_what_json_can_say_comes_in_unchanged(value: Any):
    assert parse_json(json.dumps(value).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_are_a_server_error(raw: bytes):
    try:
        parse_json(raw)
    except ParseError:
        return
