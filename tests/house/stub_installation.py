"""An installation of stand-ins, run by the real supervisor: `python -m tests.house.stub_installation`.

Arguments: data folder, port, kind of web and kind of worker (the keys of WEB and WORKER).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from workers.children import Child
from workers.door import open_door
from workers.layout import Layout, Options
from workers.leftovers import end_leftovers
from workers.rundir import RunFolder
from workers.supervise import Supervisor

WEB = {
    "fine": """
import http.server, socket, sys
class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Quiet, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.serve_forever()
""",
    "broken": "raise SystemExit('the settings are wrong')",
}
WORKER = {
    "fine": "import signal; signal.pause()",
    "dies": "raise SystemExit('no memory left')",
    "deaf": """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
while True: signal.pause()
""",
    "slow": """
import signal, sys, time
def stop(*words): time.sleep(0.5); print('goodbye', flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
while True: signal.pause()
""",
    "alarm": "import signal; print('level=error event=\"disk on fire\"', flush=True); signal.pause()",
}


def main(folder: str, port: str, web: str, worker: str) -> int:
    """Run the stand-ins until told to stop."""
    var = Path(folder)
    (var / "log").mkdir(exist_ok=True)

    run_folder = RunFolder(var)
    run_folder.lock(Options(port=int(port)).url)
    end_leftovers(run_folder, None, say=print)
    door = open_door("127.0.0.1", int(port))

    def child(name: str, code: str) -> Child:
        command = [sys.executable, "-S", "-c", code, str(door.fileno())]
        keeps = [door.fileno()] if name == "web" else []
        return Child(name, command, dict(os.environ), var / "log" / f"{name}.log", keeps=keeps)

    layout = Layout(
        None, child("web", WEB[web]), (child("worker1", WORKER[worker]),), None, var / "none.sock", door
    )
    return Supervisor(layout, Options(port=int(port)), run_folder).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
