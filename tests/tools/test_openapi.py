"""Operations of OpenAPI documents as tools."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.tools.openapi import BadDocument, read_operations


def document(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "Pets"}, "paths": paths, **more}


PETS = document(
    {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {"operationId": "getPet", "summary": "One pet"},
            "put": {
                "summary": "Replace",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
            },
        }
    },
    components={
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}},
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "nullable": True},
                    "parent": {"$ref": "#/components/schemas/Pet"},
                },
            }
        },
    },
)


def test_each_operation_becomes_a_tool_with_the_schema_of_its_arguments() -> None:
    get, put = read_operations(PETS)

    assert (get.name, get.title, get.is_safe) == ("getPet", "One pet", True)
    assert get.schema["required"] == ["id"]
    assert get.schema["properties"] == {"id": {"type": "integer"}}
    assert (put.name, put.is_safe) == ("put_pets_id", False)
    assert put.schema["required"] == ["id", "body"]
    assert put.schema["properties"]["body"]["properties"]["name"] == {"type": ["string", "null"]}


def test_a_schema_that_contains_itself_ends_somewhere() -> None:
    _get, put = read_operations(PETS)

    depth, part = 0, put.schema["properties"]["body"]
    while "parent" in part.get("properties", {}):
        depth, part = depth + 1, part["properties"]["parent"]

    assert 1 <= depth <= 24
    assert part == {}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"swagger": "2.0", "paths": {"/": {}}}, "OpenAPI 3"),
        (document({}), "no paths"),
        (document({"/x": {"summary": "nothing"}}), "no operations"),
        (document({"x": {"get": {}}}), "slash"),
        (document({"/x": {"get": {"parameters": [{"$ref": "https://elsewhere.example/p"}]}}}), "stay in"),
        (document({"/x": {"get": {"parameters": [{"$ref": "#/nowhere"}]}}}), "nothing at"),
        (document({"/x": {"post": {"requestBody": {"content": {"text/xml": {}}}}}}), "JSON bodies"),
    ],
)
def test_a_document_that_tools_cannot_be_made_of_says_why(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(BadDocument, match=said):
        read_operations(broken)


def test_a_few_lines_that_stand_for_millions_are_refused() -> None:
    schemas: dict[str, Any] = {"S0": {"type": "string"}}
    for level in range(1, 6):
        inner = {"$ref": f"#/components/schemas/S{level - 1}"}
        schemas[f"S{level}"] = {"type": "object", "properties": {f"p{n}": inner for n in range(20)}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S5"}}}}
    bomb = document({"/x": {"post": {"requestBody": body}}}, components={"schemas": schemas})

    with pytest.raises(BadDocument, match="too large"):
        read_operations(bomb)
