"""JSON Schema (2020-12) of definition format 1; settings of a node are checked by its kind's own schema."""

from __future__ import annotations

from typing import Any

from orchestra.engine.limits import NODES
from orchestra.engine.status import Priority

ID_PATTERN = "^[a-z][a-z0-9_]{0,62}$"
NEED_PATTERN = r"^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$"
ONE_HOLE_PATTERN = r"^\s*\{\{[\s\S]*\}\}\s*$"
QUEUES = ("llm", "io", "cpu", "control")
PRIORITIES = {
    "low": Priority.LOW,
    "normal": Priority.NORMAL,
    "high": Priority.HIGH,
    "critical": Priority.CRITICAL,
}

RETRY: dict[str, Any] = {
    "type": "object",
    "title": "Retry",
    "description": "When a transient failure is tried again.",
    "additionalProperties": False,
    "properties": {
        "max": {"type": "integer", "title": "Retries", "minimum": 0, "maximum": 100, "default": 3},
        "base": {
            "type": "number",
            "title": "First delay (s)",
            "minimum": 0,
            "maximum": 86400,
            "default": 0.1,
        },
        "factor": {"type": "number", "title": "Factor", "minimum": 1, "maximum": 100, "default": 2},
        "cap": {
            "type": "number",
            "title": "Longest delay (s)",
            "minimum": 0,
            "maximum": 86400,
            "default": 30,
        },
        "jitter": {"type": "boolean", "title": "Spread at random", "default": True},
    },
}

TIMEOUT: dict[str, Any] = {
    "type": "number",
    "title": "Timeout (s)",
    "exclusiveMinimum": 0,
    "maximum": 86400,
}

NODE: dict[str, Any] = {
    "type": "object",
    "required": ["kind"],
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "title": "Kind"},
        "title": {"type": "string", "title": "Title", "maxLength": 200},
        "needs": {
            "type": "array",
            "title": "Needs",
            "description": "Incoming edges: `node` or `node.port`.",
            "items": {"type": "string", "pattern": NEED_PATTERN},
        },
        "when": {
            "type": ["string", "boolean"],
            "title": "When",
            "description": "Condition; false means the node is skipped.",
        },
        "join": {
            "title": "Join",
            "default": "any",
            "anyOf": [
                {"enum": ["any", "all", "first", "done"]},
                {
                    "type": "object",
                    "required": ["quorum"],
                    "additionalProperties": False,
                    "properties": {"quorum": {"type": "integer", "minimum": 1}},
                },
            ],
        },
        "settings": {"type": "object", "title": "Settings"},
        "retry": RETRY,
        "timeout": TIMEOUT,
        "on_error": {
            "title": "On error",
            "default": "fail",
            "anyOf": [
                {"enum": ["fail", "continue"]},
                {
                    "type": "object",
                    "required": ["output"],
                    "additionalProperties": False,
                    "properties": {"output": {"title": "Stand-in output"}},
                },
            ],
        },
        "compensate": {
            "type": "object",
            "title": "Compensate",
            "description": "A body (`nodes`, `output`) that undoes the node when the run fails or is cancelled.",
        },
        "priority": {
            "title": "Priority",
            "enum": [*PRIORITIES, *Priority.ALL],
        },
        "queue": {"title": "Queue", "enum": list(QUEUES)},
        "cache": {"type": "number", "title": "Cache (s)", "minimum": 0, "maximum": 31_536_000, "default": 0},
        "effect": {
            "title": "Effect",
            "description": "once: an effect that may have happened is not repeated, a person is asked.",
            "enum": ["once"],
        },
        "ui": {"type": "object", "title": "On the canvas"},
    },
}

NODES_OF_A_GRAPH: dict[str, Any] = {
    "type": "object",
    "title": "Nodes",
    "minProperties": 1,
    "maxProperties": NODES,
    "propertyNames": {"pattern": ID_PATTERN},
    "additionalProperties": NODE,
}

BODY: dict[str, Any] = {
    "type": "object",
    "title": "Body",
    "required": ["nodes"],
    "additionalProperties": False,
    "properties": {"nodes": NODES_OF_A_GRAPH, "output": {"title": "Value of an item"}},
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Workflow definition, format 1",
    "type": "object",
    "required": ["orchestra", "nodes"],
    "additionalProperties": False,
    "properties": {
        "orchestra": {"const": 1, "title": "Format"},
        "name": {"type": "string", "title": "Name", "minLength": 1, "maxLength": 200},
        "description": {"type": "string", "title": "Description", "maxLength": 10000},
        "inputs": {"type": "object", "title": "Inputs", "description": "JSON Schema of the run's input."},
        "variables": {
            "type": "object",
            "title": "Variables",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"},
        },
        "defaults": {
            "type": "object",
            "title": "Defaults",
            "additionalProperties": False,
            "properties": {"timeout": TIMEOUT, "retry": RETRY},
        },
        "limits": {
            "type": "object",
            "title": "Limits of one run",
            "additionalProperties": False,
            "properties": {
                "duration": {"type": "number", "title": "Duration (s)", "exclusiveMinimum": 0},
                "cost": {"type": "number", "title": "Cost", "minimum": 0},
            },
        },
        "nodes": NODES_OF_A_GRAPH,
        "output": {"title": "Output"},
        "ui": {"type": "object", "title": "On the canvas"},
    },
}
