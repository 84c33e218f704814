"""Geometry of the small server-rendered charts: values in, SVG coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 320.0
HEIGHT = 88.0
GAP = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its rectangle in view-box units, its value and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    value: float
    label: str


def bars(values: Sequence[float], labels: Sequence[str] = ()) -> list[Bar]:
    """Lay out bars from left to right; the highest value fills the height, zero keeps a hair line."""
    if not values:
        return []
    step = WIDTH / len(values)
    top = max([*values, 0.0])
    names = [*labels, *[""] * len(values)]
    return [_bar(index * step, step, value, top, names[index]) for index, value in enumerate(values)]


def _bar(left: float, step: float, value: float, top: float, label: str) -> Bar:
    height = round(HEIGHT * max(value, 0) / top, 2) if top else 0.0
    height = max(height, 1.0)
    return Bar(
        x=round(left + step * GAP / 2, 2),
        y=round(HEIGHT - height, 2),
        width=round(step * (1 - GAP), 2),
        height=height,
        value=value,
        label=label,
    )


def line(values: Sequence[float]) -> str:
    """Return the `points` of a polyline through the values, scaled to the view box."""
    if not values:
        return ""
    top = max([*values, 0.0]) or 1.0
    step = WIDTH / max(len(values) - 1, 1)
    return " ".join(
        f"{round(i * step, 2)},{round(HEIGHT - HEIGHT * max(v, 0) / top, 2)}" for i, v in enumerate(values)
    )


def area(values: Sequence[float]) -> str:
    """Return the `points` of the polygon under the same line."""
    return f"0,{HEIGHT} {line(values)} {WIDTH},{HEIGHT}" if values else ""
