"""The world outside: an HTTP server that counts what reaches it, by the idempotency key that the product sends."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class World:
    """Counts calls by key. `/flaky` answers the first call of a key with 503."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        world = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                count = world.count(self.headers.get("Idempotency-Key", ""))
                time.sleep(0.3)
                is_flaky = self.path.startswith("/flaky") and count == 1
                body = json.dumps({"ok": True}).encode()
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
        with self._lock:
            self.calls[key] += 1
            return self.calls[key]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
