"""Flower, Celery's monitor, behind the staff login: a small proxy, because Flower itself guards nothing.

Flower listens on loopback, has no protection against forged posts, answers every origin, and leaves some of its
pages open. So: staff only; changes for superusers only, sent from our own pages; no cookie or token of ours goes
to it, no cookie or origin rule of its own comes back.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from csp.constants import SELF, UNSAFE_INLINE
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.models import User

log = structlog.get_logger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = SAFE_METHODS | {"POST"}
READING_POSTS = ("tasks/datatable",)
"""Posts that change nothing: Flower's tables ask for their rows this way."""
SENT_HEADERS = (
    "Accept",
    "Accept-Language",
    "Content-Type",
    "If-None-Match",
    "If-Modified-Since",
    "X-Requested-With",
)
KEPT_HEADERS = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=3)
CHUNK = 64 * 1024
MAX_BODY = 1024 * 1024
INLINE_SCRIPTS = ("\nvar autorefresh = 0;\n", "\nvar autorefresh = 1;\n")
"""The only scripts that Flower writes into its pages; the policy lets exactly these texts run."""


def _hash(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


POLICY = {"script-src": [SELF, *map(_hash, INLINE_SCRIPTS)], "style-src": [SELF, UNSAFE_INLINE]}


@csrf_exempt
async def flower(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Pass a request of a member of the staff on to Flower; 404 where none is configured."""
    if not settings.ORCHESTRA_FLOWER_URL:
        raise Http404
    user = await request.auser()
    if not isinstance(user, User):
        return redirect_to_login(request.get_full_path())
    if not user.is_staff or not may_send(request, user, path):
        return HttpResponseForbidden("Operators only.", content_type="text/plain")
    if request.method not in METHODS:
        return HttpResponse(status=405, headers={"Allow": ", ".join(sorted(METHODS))})
    if request.method not in SAFE_METHODS and path not in READING_POSTS:
        log.warning("flower_control", by=str(user.pk), path=path[:200])
    return await _pass_on(request, path)


def may_send(request: HttpRequest, user: User, path: str) -> bool:
    """Say whether a request may change something: reads may not, forged posts are refused, changes take a superuser."""
    if request.method in SAFE_METHODS:
        return True
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).netloc != request.get_host():
        return False
    return path in READING_POSTS or user.is_superuser


async def _pass_on(request: HttpRequest, path: str) -> HttpResponseBase:
    body = request.body if request.method == "POST" else None
    if body is not None and len(body) > MAX_BODY:
        return HttpResponse(status=413)
    session = aiohttp.ClientSession(
        timeout=TIMEOUT, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar()
    )
    try:
        answer = await session.request(
            request.method or "GET",
            target(path, request.META.get("QUERY_STRING", "")),
            headers={name: request.headers[name] for name in SENT_HEADERS if name in request.headers},
            data=body,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, TimeoutError):
        await session.close()
        return HttpResponse("Flower does not answer.", status=502, content_type="text/plain")
    response = StreamingHttpResponse(
        _chunks(session, answer), status=answer.status, headers=_kept(answer.headers)
    )
    response.__dict__["_csp_replace"] = POLICY
    return response


def target(path: str, query: str) -> str:
    """Return the address inside Flower: its own host and prefix always, whatever the path says."""
    base = settings.ORCHESTRA_FLOWER_URL.rstrip("/")
    parts = [quote(part) for part in path.split("/") if part not in {".", ".."}]
    return f"{base}/{'/'.join(parts)}" + (f"?{query}" if query else "")


async def _chunks(session: aiohttp.ClientSession, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_chunked(CHUNK):
            yield chunk
    finally:
        answer.release()
        await session.close()


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go back; a redirect is kept when it stays inside Flower."""
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    location = headers.get("Location", "")
    if location.startswith("/flower/") or (location and not urlsplit(location).netloc and location[0] != "/"):
        kept["Location"] = location
    return kept
