"""What the calls of an attempt to models came to, as sentences in the reader's language: retries, fallbacks, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


@dataclass(frozen=True, slots=True)
class Told:
    """One call, or several that went alike: `is_ok`, and a sentence."""

    is_ok: bool
    text: str


def tell_calls(calls: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Return one sentence for each entry of `attempts[].calls`."""
    return [
        Told(call.get("status") == "ok", " ".join(_parts(call, following)))
        for call, following in zip_longest(calls, calls[1:])
    ]


def why_of(attempt: Mapping[str, Any]) -> str:
    """Return what led to the end of an attempt in one line; empty when there was nothing to choose."""
    calls = attempt.get("calls") or ()
    if len(calls) < 2 and not (calls and (calls[0].get("why") or calls[0].get("is_cached"))):
        return ""
    return " ".join(told.text for told in tell_calls(calls))


def _parts(call: Mapping[str, Any], following: Mapping[str, Any] | None) -> Iterator[str]:
    place = f"{call.get('connection', '')}/{call.get('model', '')}"
    if call.get("is_cached"):
        yield _("%(place)s: the stored answer to the same request was used; it cost nothing.") % {
            "place": place
        }
        return
    if call.get("status") == "ok":
        yield _answered(call, place)
    else:
        yield f"{place}: {call.get('message') or call.get('status')}"
    if call.get("why"):
        yield _("Chosen: %(reason)s.") % {"reason": call["why"]}
    if call.get("wait") is not None and call.get("status") != "ok":
        yield _("Tried again after %(seconds)s s.") % {"seconds": f"{call['wait']:g}"}
    elif following is not None and call.get("status") != "ok":
        onward = f"{following.get('connection', '')}/{following.get('model', '')}"
        yield _("Fell back to %(place)s.") % {"place": onward} if onward != place else _("Asked again.")


def _answered(call: Mapping[str, Any], place: str) -> str:
    seconds = f"{call.get('seconds', 0):g}"
    count = call.get("count", 1)
    if count == 1:
        return _("%(place)s answered after %(seconds)s s.") % {"place": place, "seconds": seconds}
    text = ngettext(
        "%(place)s answered %(count)s time in %(seconds)s s.",
        "%(place)s answered %(count)s times in %(seconds)s s.",
        count,
    )
    return text % {"place": place, "count": count, "seconds": seconds}
