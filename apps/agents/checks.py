"""What a connection's and an agent's fields must be; every problem is found at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.agents.models import Dialect
from apps.agents.option_checks import SPECIAL
from apps.agents.outbound import allowed_out
from orchestra.engine.capabilities import BadCapability, read_all
from orchestra.engine.schemas import find_schema_problems
from orchestra.errors import AddressNotAllowed, InvalidInput, Problem
from orchestra.net import check_url

MAX_SECRET = 4096
MAX_OPTIONS_BYTES = 16 * 1024
MAX_INSTRUCTIONS = 100_000
MOST_SLOTS = 10_000
LONGEST_CAPABILITY = 400
MASK = re.compile(r"[•…*]{1,64}[^•…*]{0,8}")
PRINTABLE = re.compile(r"[\x21-\x7e]+")
NUMBERS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "max_tokens": (1, 10_000_000),
    "idle_seconds": (1, 3600),
    "requests_per_minute": (1, 1_000_000),
    "tokens_per_minute": (1, 1_000_000_000),
    "concurrency": (1, 100_000),
    "retries": (0, 10),
    "cache_seconds": (0, 2_592_000),
    "weight": (0.01, 1000),
    "breaker_failures": (0, 10_000),
    "breaker_seconds": (1, 3600),
    "latency": (0, 600),
    "tps": (0, 100_000),
    "max_steps": (1, 50),
    "max_cost": (0, 1_000_000),
    "timeout": (1, 86_400),
}
AGENT_OPTIONS = frozenset(
    {"temperature", "max_tokens", "tools", "approve", "max_steps", "max_cost", "timeout", "schema"}
)
LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrency")
BALANCE = ("strategy", "members", "weight")
PATIENCE = ("cache_seconds", "retries", "breaker_failures", "breaker_seconds")
CONNECTION_OPTIONS = frozenset(
    {
        "headers",
        "body",
        "structured",
        "idle_seconds",
        "prices",
        "latency",
        "tps",
        "fail",
        "fallbacks",
        *LIMITS,
        *PATIENCE,
        *BALANCE,
    }
)


def is_mask(secret: str) -> bool:
    """Say whether this is the mask that stands for a stored secret, sent back unchanged."""
    return bool(MASK.fullmatch(secret))


def check_connection(
    *, team: str, name: str, dialect: str, base_url: str, secret: str, default_model: str, options: Any
) -> None:
    """Raise InvalidInput with every problem of the fields of a connection; `team` is the team's short name."""
    found = [*_name_problems(name), *_option_problems(options, CONNECTION_OPTIONS)]
    if dialect not in Dialect.values:
        found.append(Problem("dialect", "invalid", _("Choose one of the dialects.")))
    if base_url:
        found.extend(_url_problems(base_url, allowed_out(team)))
    if len(secret) > MAX_SECRET or (secret and not PRINTABLE.fullmatch(secret)):
        found.append(Problem("secret", "invalid", _("A secret is printable ASCII text without spaces.")))
    if len(default_model) > 120:
        found.append(Problem("default_model", "too_long", _("At most 120 characters.")))
    _raise(found)


def check_agent(*, name: str, instructions: str, model: str, options: Any, capabilities: Any) -> None:
    """Raise InvalidInput with every problem of an agent's fields."""
    found = [*_name_problems(name), *_option_problems(options, AGENT_OPTIONS)]
    if len(instructions) > MAX_INSTRUCTIONS:
        message = _("At most %(count)s characters.") % {"count": MAX_INSTRUCTIONS}
        found.append(Problem("instructions", "too_long", message))
    if len(model) > 120:
        found.append(Problem("model", "too_long", _("At most 120 characters.")))
    _raise([*found, *_capability_problems(capabilities)])


def check_remote(*, name: str, capabilities: Any, slots: int) -> None:
    """Raise InvalidInput with every problem of what a remote agent registers with."""
    found = [*_name_problems(name), *_capability_problems(capabilities)]
    if not 1 <= slots <= MOST_SLOTS:
        found.append(Problem("slots", "invalid", _("A number from 1 to %(count)s.") % {"count": MOST_SLOTS}))
    _raise(found)


def check_capabilities(capabilities: Any) -> None:
    """Raise InvalidInput when this is no list of capabilities as texts."""
    _raise(_capability_problems(capabilities))


def _capability_problems(capabilities: Any) -> list[Problem]:
    is_texts = isinstance(capabilities, list | tuple) and all(isinstance(one, str) for one in capabilities)
    try:
        if not is_texts or any(len(one) > LONGEST_CAPABILITY for one in capabilities):
            raise BadCapability(
                _("A list of texts such as “translate;languages=de|fr”, of at most 400 characters.")
            )
        read_all(capabilities)
    except BadCapability as error:
        return [Problem("capabilities", "invalid", str(error))]
    return []


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidInput(problems=problems)


def _is_tools(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 64 and all(isinstance(one, str) for one in value)


def _name_problems(name: str) -> list[Problem]:
    if not name.strip():
        return [Problem("name", "required", _("A name is needed."))]
    return [Problem("name", "too_long", _("At most 80 characters."))] if len(name) > 80 else []


def _url_problems(base_url: str, allow: frozenset[str]) -> list[Problem]:
    try:
        url = check_url(base_url, allow)
    except AddressNotAllowed as error:
        return [Problem("base_url", error.code, error.message)]
    if url.query_string or url.fragment or len(base_url) > 500:
        return [Problem("base_url", "invalid", _("A base URL has no query and at most 500 characters."))]
    return []


def _option_problems(options: Any, known: frozenset[str]) -> list[Problem]:
    if not isinstance(options, Mapping):
        return [Problem("options", "invalid", _("Options are an object."))]
    try:
        size = len(json.dumps(options, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return [Problem("options", "invalid", _("Options must be JSON."))]
    if size > MAX_OPTIONS_BYTES:
        return [Problem("options", "too_long", _("These options are too long."))]
    return [problem for key, value in options.items() for problem in _one_option(str(key), value, known)]


def _one_option(key: str, value: Any, known: frozenset[str]) -> list[Problem]:
    path = f"options.{key}"
    if key not in known:
        message = _("There is no such option. There are: %(names)s.") % {"names": ", ".join(sorted(known))}
        return [Problem(path, "unknown", message)]
    if key in NUMBERS:
        low, high = NUMBERS[key]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            message = _("A number from %(low)s to %(high)s.") % {"low": low, "high": high}
            return [Problem(path, "invalid", message)]
    if key in ("tools", "approve") and not _is_tools(value):
        return [Problem(path, "invalid", _("A list of at most 64 names of tools."))]
    if key == "schema" and find_schema_problems(value, path):
        return find_schema_problems(value, path)
    if key in SPECIAL:
        return SPECIAL[key](value, path)
    if key == "structured" and value not in ("schema", "prompt"):
        return [Problem(path, "invalid", _("Either “schema” or “prompt”."))]
    if key in ("headers", "body", "prices") and not isinstance(value, Mapping):
        return [Problem(path, "invalid", _("This option is an object."))]
    if key == "headers" and not all(isinstance(one, str) and "\n" not in one for one in value.values()):
        return [Problem(path, "invalid", _("Headers are single lines of text."))]
    return []
