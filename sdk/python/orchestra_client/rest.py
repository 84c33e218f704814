"""Requests: a time limit, retries where they are safe, and tokens that are renewed when they run out."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from orchestra_client.errors import ApiError, ConnectionFailed

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
PASSING = frozenset({429, 502, 503, 504})
SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that may be made again without a key."""


class Rest:
    """The API's paths under `/api/v1/`, JSON in and out.

    A POST carries an `Idempotency-Key`, so it is safe to repeat. 429, 502, 503, 504 and broken connections are tried
    again up to `retries` times, after `Retry-After` or 0.1, 0.2, 0.4 … seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        login: tuple[str, str] | None = None,
        team: str = "",
        timeout: float = 10.0,
        retries: int = 3,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{url!r} is no http or https address.")
        self.base = f"{parts.scheme}://{parts.netloc}/api/v1/"
        self.timeout = timeout
        self.retries = retries
        self._key = key
        self._login = login
        self._team = team
        self._access = self._refresh = ""
        self._lock = threading.Lock()

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params)

    def post(self, path: str, body: Any = None, *, idempotency_key: str = "", **params: Any) -> Any:
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        return self.request("POST", path, body, params=params, headers=headers)

    def put(self, path: str, body: Any, *, if_match: str = "") -> Any:
        return self.request("PUT", path, body, headers={"If-Match": if_match})

    def patch(self, path: str, body: Any, *, if_match: str = "") -> Any:
        return self.request("PATCH", path, body, headers={"If-Match": if_match})

    def delete(self, path: str) -> Any:
        return self.request("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[Mapping[str, Any]]:
        """Yield every row of a list, page after page."""
        page = self.get(path, **params)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self.get(page["next"].partition("/api/v1/")[2])

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Return the parsed answer, None for an empty one. Raises ApiError, ConnectionFailed."""
        with self.open(method, path, body, params=params, headers=headers, timeout=timeout) as answer:
            try:
                text = answer.read()
            except (OSError, HTTPException) as error:
                raise ConnectionFailed(f"{method} {path}: the answer broke off: {error}") from error
        return json.loads(text) if text else None

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> HTTPResponse:
        """Return an answer that is yet to be read. Raises as `request` does."""
        given = {name: value for name, value in (headers or {}).items() if value}
        may_repeat = method in SAFE or "Idempotency-Key" in given
        is_renewed = False
        tried = 0
        while True:
            token = self._token()
            try:
                return self._send(method, path, body, params or {}, given, token, timeout)
            except ApiError as error:
                if error.status == 401 and self._login and not is_renewed:
                    is_renewed = True
                    self._renew(token)
                    continue
                if error.status not in PASSING or not may_repeat or tried >= self.retries:
                    raise
                pause = error.retry_after
            except (OSError, HTTPException) as error:
                if not may_repeat or tried >= self.retries:
                    raise ConnectionFailed(f"{method} {path}: {error}") from error
                pause = None
            tried += 1
            time.sleep(_pause(tried, pause))

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        token: str,
        timeout: float | None,
    ) -> HTTPResponse:
        asked = urlencode({name: value for name, value in params.items() if value is not None})
        data = None if body is None else json.dumps(body).encode()
        own = {"Accept": "application/json", "Authorization": f"Bearer {token}" if token else ""}
        own |= {"X-Team": self._team, "Content-Type": "application/json" if data is not None else ""}
        sent = {name: value for name, value in {**own, **headers}.items() if value}
        request = urllib.request.Request(  # noqa: S310  (the scheme was checked)
            self.base + path.lstrip("/") + (f"?{asked}" if asked else ""), data, sent, method=method
        )
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=timeout or self.timeout)  # noqa: S310  (as above)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.headers, error.read()) from None
        return answer

    # Tokens ----------------------------------------------------------------------------------
    def _token(self) -> str:
        if self._key or self._login is None:
            return self._key
        with self._lock:
            if not self._access:
                self._take(self._login_pair())
            return self._access

    def _renew(self, used: str) -> None:
        """Get a new pair; of many threads whose token has run out one does, the others take what it got."""
        with self._lock:
            if self._access != used:
                return
            try:
                self._take(self._plain("auth/token/refresh", {"refresh": self._refresh}))
            except ApiError:
                self._take(self._login_pair())

    def _login_pair(self) -> Any:
        name, password = self._login or ("", "")
        return self._plain("auth/token", {"username": name, "password": password})

    def _plain(self, path: str, body: Any) -> Any:
        with self._send("POST", path, body, {}, {}, "", None) as answer:
            return json.loads(answer.read())

    def _take(self, pair: Mapping[str, str]) -> None:
        self._access, self._refresh = pair["access"], pair["refresh"]


def _pause(tried: int, asked: float | None) -> float:
    """Return the seconds before the next try: what the server asked for, else doubling, with jitter."""
    if asked is not None:
        return min(asked, LONGEST_PAUSE)
    pause: float = min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311  (spreads who comes back)
