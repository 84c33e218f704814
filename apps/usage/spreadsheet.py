"""Usage as CSV (RFC 4180), safe to open in a spreadsheet: no cell begins a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from apps.usage.sums import Line

COLUMNS = ("calls", "failed", "runs", "input_tokens", "output_tokens", "cost", "seconds")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(by: str, lines: Sequence[Line]) -> str:
    """Return one row per line, under a row of names."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([by, *COLUMNS])
    for line in lines:
        writer.writerow([_safe(line.label), *(_number(getattr(line, name)) for name in COLUMNS)])
    return text.getvalue()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _number(value: Any) -> str:
    return f"{value:f}" if not isinstance(value, int | float) else f"{value:.10g}"
