"""A handler to begin with: it counts the words of its task, streams them back slowly, and says how far it is."""

from __future__ import annotations

import asyncio
from typing import Any

from orchestra_agent.assignment import Assignment

SECONDS_PER_WORD = 0.05


async def count_words(assignment: Assignment) -> dict[str, Any]:
    """Return the task's words and how many there are."""
    words = assignment.task.split()
    for number, word in enumerate(words, 1):
        await assignment.say(word + " ")
        await assignment.progress(number / len(words), f"{number} of {len(words)} words")
        await asyncio.sleep(SECONDS_PER_WORD)
    assignment.usage.update(input_tokens=len(words), output_tokens=len(words), model="example")
    return {"text": " ".join(words), "data": {"words": len(words)}}
