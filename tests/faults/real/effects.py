"""The world outside: an HTTP server that counts what reaches it, by the idempotency key that the product sends."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER_SECONDS = 0.3
EFFECT_SECONDS = 1.5
"""Of a call to `/pay`: long enough to be aimed at."""
HELD_SECONDS = 120.0


class World:
    """Counts calls by key, and says in its answer which attempt sent the request.

    `/flaky` answers the first call of a key with 503, `/held` each call only once it is let go.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.in_air: Counter[str] = Counter()
        """Calls that have come in and have not been answered, by key."""
        self._news = threading.Condition()
        self._may_answer: dict[tuple[str, int], threading.Event] = defaultdict(threading.Event)
        world = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = self.headers.get("Idempotency-Key", "")
                count = world.count(key)
                try:
                    self._answer(key, count)
                finally:
                    world.answered(key)

            def _answer(self, key: str, count: int) -> None:
                if self.path.startswith("/held"):
                    world.may_answer(key, count).wait(HELD_SECONDS)
                time.sleep(EFFECT_SECONDS if self.path.startswith("/pay") else ANSWER_SECONDS)
                is_flaky = self.path.startswith("/flaky") and count == 1
                body = json.dumps({"ok": True, "attempt": int(self.headers.get("X-Attempt") or 0)}).encode()
                self.send_response(503 if is_flaky else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a killed caller is no error here
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="world", daemon=True).start()

    def count(self, key: str) -> int:
        with self._news:
            self.calls[key] += 1
            self.in_air[key] += 1
            self._news.notify_all()
            return self.calls[key]

    def answered(self, key: str) -> None:
        with self._news:
            self.in_air[key] -= 1

    def may_answer(self, key: str, count: int) -> threading.Event:
        """Return what lets the held call of this number go."""
        with self._news:
            return self._may_answer[key, count]

    def await_calls(self, key: str, count: int, seconds: float) -> bool:
        """Wait until so many calls of a key have come in; False when they have not."""
        with self._news:
            return self._news.wait_for(lambda: self.calls[key] >= count, seconds)

    def await_in_air(self, end: str, seconds: float) -> str:
        """Return the key of a call under way whose key ends so, waiting for one; "" when none comes."""
        with self._news:
            self._news.wait_for(lambda: self._find_in_air(end), seconds)
            return self._find_in_air(end)

    def _find_in_air(self, end: str) -> str:
        return next((key for key, count in self.in_air.items() if count > 0 and key.endswith(end)), "")

    def close(self) -> None:
        for event in list(self._may_answer.values()):
            event.set()
        self._server.shutdown()
        self._server.server_close()
