"""What the API answers, as frozen values. `raw` is the JSON as it came, with fields that this release does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FINAL = frozenset({"succeeded", "failed", "cancelled"})
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """What should happen, under a name."""

    slug: str
    name: str
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Json) -> Workflow:
        return cls(str(raw["slug"]), str(raw["name"]), raw)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a workflow: its status, and what came out once it has ended."""

    id: str
    status: str
    workflow: str
    number: int
    output: Any
    error: Json | None
    input_tokens: int
    output_tokens: int
    cost: float
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Json) -> Run:
        usage = raw.get("usage") or {}
        workflow = raw.get("workflow", "")
        return cls(
            id=str(raw["id"]),
            status=str(raw["status"]),
            workflow=str(workflow.get("slug", "")) if isinstance(workflow, Mapping) else str(workflow),
            number=int(raw.get("number") or 0),
            output=raw.get("output"),
            error=raw.get("error"),
            input_tokens=int(usage.get("input_tokens", 0)),
            output_tokens=int(usage.get("output_tokens", 0)),
            cost=float(usage.get("cost", 0)),
            raw=raw,
        )

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class NodeRun:
    """One node of a run; `path` is `views[2].draft` inside maps and loops."""

    path: str
    kind: str
    status: str
    attempt: int
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Json) -> NodeRun:
        return cls(
            str(raw["path"]), str(raw.get("kind", "")), str(raw["status"]), int(raw.get("attempt") or 0), raw
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a run's log (`seq` rises by one), or a piece of text that a model writes (`node.delta`)."""

    type: str
    run: str
    node: str
    seq: int | None
    data: Json
    id: str = ""
    """Where a stream is taken up again."""

    @classmethod
    def of(cls, raw: Json, type_: str = "", id_: str = "") -> Event:
        data = raw.get("data")
        inner = data if isinstance(data, Mapping) else raw
        return cls(
            type=str(raw.get("type") or type_),
            run=str(raw.get("run") or ""),
            node=str(raw.get("node") or inner.get("path") or ""),
            seq=raw.get("seq"),
            data=inner,
            id=id_,
        )


@dataclass(frozen=True, slots=True)
class UsageLine:
    """The sum of some calls of models."""

    key: str | None
    label: str
    calls: int
    failed: int
    runs: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float

    @classmethod
    def of(cls, raw: Json) -> UsageLine:
        return cls(**{name: raw[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls of models used in a period, by group."""

    group_by: str
    currency: str
    lines: tuple[UsageLine, ...]
    total: UsageLine

    @classmethod
    def of(cls, raw: Json) -> Usage:
        lines = tuple(UsageLine.of(line) for line in raw["results"])
        return cls(str(raw["group_by"]), str(raw["currency"]), lines, UsageLine.of(raw["total"]))
