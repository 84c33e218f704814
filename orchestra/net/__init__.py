"""The one guarded way out: HTTP requests that cannot be led inside this installation's network."""

from orchestra.net.addresses import check_url, is_public
from orchestra.net.client import Outbound, close_shared, shared
from orchestra.net.connect import Lookup, system_lookup
from orchestra.net.reply import HttpReply, Limits, Reply, retry_after
from orchestra.net.text import clean_json, clean_text

__all__ = [
    "HttpReply",
    "Limits",
    "Lookup",
    "Outbound",
    "Reply",
    "check_url",
    "clean_json",
    "clean_text",
    "close_shared",
    "is_public",
    "retry_after",
    "shared",
    "system_lookup",
]
