"""Logs: one line an entry, escaped; JSON where a machine reads, plain where a person does."""

from __future__ import annotations

import re
from typing import Any

import structlog

from orchestra import env, tracing

AS_JSON = env.flag("ORCHESTRA_LOG_JSON")
LEVEL = env.text("ORCHESTRA_LOG_LEVEL", "WARNING" if not AS_JSON else "INFO").upper()

SECRET_PATHS = re.compile(r"(/(?:login|join|accounts/confirm-email|accounts/password/reset/key)/)[^/\s\"']+")
"""Addresses that open something for whoever holds them, as links in mails do."""


def hide_links(logger: Any, name: str, entry: structlog.types.EventDict) -> structlog.types.EventDict:
    """Take the tokens of one-time links out of an entry: logs are read by more people than mails."""
    for key in ("event", "request", "path"):
        if isinstance(entry.get(key), str):
            entry[key] = SECRET_PATHS.sub(r"\1…", entry[key])
    return entry


def add_trace(logger: Any, name: str, entry: structlog.types.EventDict) -> structlog.types.EventDict:
    """Name the trace that an entry belongs to, where there are traces."""
    if found := tracing.trace_id():
        entry["trace_id"] = found
    return entry


_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    add_trace,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    hide_links,
]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if AS_JSON
            else structlog.processors.LogfmtRenderer(),
            "foreign_pre_chain": _SHARED,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LEVEL},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "celery": {"level": LEVEL},
    },
}
