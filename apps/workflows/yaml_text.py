"""Definitions as YAML for people: keys in the order one reads them, long text in blocks, no anchors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from apps.workflows.models import Workflow, WorkflowVersion

TOP_KEYS = (
    "orchestra",
    "name",
    "description",
    "inputs",
    "variables",
    "defaults",
    "limits",
    "nodes",
    "output",
)
NODE_KEYS = ("kind", "title", "needs", "when", "join", "settings", "retry", "timeout", "on_error")


def draft_text(workflow: Workflow) -> str:
    """Return the draft as its author typed it, or as YAML where it came as JSON."""
    return workflow.draft_text or as_yaml(workflow.draft)


def version_text(version: WorkflowVersion) -> str:
    """Return a version as its author typed it, or as YAML where it came as JSON."""
    return version.text or as_yaml(version.definition)


def as_yaml(definition: Mapping[str, Any]) -> str:
    """Return a definition as YAML that the engine reads back to an equal definition.

    The order of keys is ours, because a database need not keep the author's: what comes first runs first.
    """
    return yaml.dump(
        _ordered_definition(definition),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )


CORE_NUMBER = re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+)\Z")
"""What YAML 1.2 takes for a number. The library knows 1.1 only and would leave text like `1e3` without quotes."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", CORE_NUMBER, list("-+.0123456789"))


def _ordered_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    found = _ordered(definition, TOP_KEYS)
    nodes = found.get("nodes")
    if isinstance(nodes, dict):
        found["nodes"] = {name: _ordered_node(nodes[name]) for name in _in_running_order(nodes)}
    return found


def _ordered_node(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    found = _ordered(node, NODE_KEYS)
    settings = found.get("settings")
    if isinstance(settings, dict) and isinstance(settings.get("body"), dict):
        found["settings"] = {**settings, "body": _ordered_definition(settings["body"])}
    return found


def _ordered(data: Mapping[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    known = {key: data[key] for key in first if key in data}
    return known | {key: value for key, value in data.items() if key not in known}


def _in_running_order(nodes: Mapping[str, Any]) -> list[str]:
    """Return the node ids so that each stands after what it needs; a broken graph keeps the order it has."""
    before = {name: _needed(node, nodes) for name, node in nodes.items()}
    done: dict[str, None] = {}
    waiting = list(nodes)
    while waiting:
        ready = [name for name in waiting if all(source in done for source in before[name])]
        if not ready:
            return list(nodes)
        done.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in done]
    return list(done)


def _needed(node: Any, nodes: Mapping[str, Any]) -> list[str]:
    needs = node.get("needs") if isinstance(node, dict) else None
    sources = [str(edge).partition(".")[0] for edge in needs] if isinstance(needs, list) else []
    return [source for source in sources if source in nodes]
