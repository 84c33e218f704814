"""A handler that begins and never ends: whoever runs it has to be killed."""

from __future__ import annotations

import asyncio
from typing import Any


async def begin(assignment: Any) -> None:
    await assignment.progress(0.1, "begun")
    await asyncio.Event().wait()
