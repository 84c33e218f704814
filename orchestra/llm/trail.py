"""What an attempt's calls to models came to, in order: kept on the node run, so that every choice is explained."""

from __future__ import annotations

from typing import Any

MOST = 60
MAX_MESSAGE = 300


class Trail:
    """The calls of one attempt as JSON objects.

    `{connection, model, status, seconds}`, and where there is something to say: `message` of an error, `wait` in
    seconds before the same call was made again, `why` this target was chosen, `is_cached`, and `count` for calls in a
    row that went alike. `status` is `ok` or the code of the error.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []

    def note(
        self, *, connection: str, model: str, status: str = "ok", seconds: float = 0.0, **more: Any
    ) -> None:
        """Note one call; what is empty in `more` is left out."""
        said = {key: value for key, value in more.items() if value}
        if isinstance(said.get("message"), str):
            said["message"] = said["message"][:MAX_MESSAGE]
        entry = {"connection": connection, "model": model, "status": status, **said}
        last = self._calls[-1] if self._calls else {}
        if {key: value for key, value in last.items() if key not in ("seconds", "count")} == entry:
            last["count"] = last.get("count", 1) + 1
            last["seconds"] = round(last["seconds"] + seconds, 3)
        elif len(self._calls) < MOST:
            self._calls.append({**entry, "seconds": round(seconds, 3)})

    def as_json(self) -> tuple[dict[str, Any], ...]:
        """Return the calls."""
        return tuple(self._calls)
