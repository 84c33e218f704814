"""The client: `rest` for requests, `stream` for one run, `realtime` for a team; and what is asked for most, typed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from orchestra_client.rest import Rest
from orchestra_client.shapes import NodeRun, Run, Usage, Workflow
from orchestra_client.streams import Realtime, Stream


class Client:
    """One person or program at one installation. Thread-safe.

    `key` is an API key; or `login` is (user name, password), for tokens that renew themselves. `timeout` are seconds
    for one try of a request, `retries` how often one is made again that may be.
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
        self.rest = Rest(url, key=key, login=login, team=team, timeout=timeout, retries=retries)
        self.stream = Stream(self.rest)
        self.realtime = Realtime(self.rest)

    def workflows(self) -> Iterator[Workflow]:
        """Yield the team's workflows."""
        return map(Workflow.of, self.rest.pages("workflows"))

    def publish(self, name: str, definition: Mapping[str, Any], *, slug: str | None = None) -> Workflow:
        """Make a workflow and publish it. Raises ApiError with every problem of the definition."""
        body = {"name": name, "definition": definition} | ({"slug": slug} if slug else {})
        made = Workflow.of(self.rest.post("workflows", body))
        self.rest.post(f"workflows/{made.slug}/versions", {})
        return made

    def start(
        self, workflow: str, input: Mapping[str, Any] | None = None, *, key: str = "", **more: Any
    ) -> Run:
        """Start a run; `more` is `version`, `priority`, `tags`. The same `key` and input start it once."""
        body = {"input": dict(input or {}), **more}
        started = self.rest.post(f"workflows/{workflow}/runs", body, idempotency_key=key)
        return Run.of({"workflow": workflow, **started})

    def run(self, run: str) -> Run:
        return Run.of(self.rest.get(f"runs/{run}"))

    def runs(self, **filters: Any) -> Iterator[Run]:
        """Yield runs, newest first; filters as in the API: `workflow`, `status`, `tag`, `started_by`, …"""
        return map(Run.of, self.rest.pages("runs", **filters))

    def nodes(self, run: str) -> list[NodeRun]:
        """Return the node runs of a run."""
        return [NodeRun.of(row) for row in self.rest.pages(f"runs/{run}/nodes")]

    def cancel(self, run: str) -> Run:
        return Run.of(self.rest.post(f"runs/{run}/cancel"))

    def wait(self, run: str, *, timeout: float = 600.0) -> Run:
        """Return the run when it has ended. Raises TimeoutError after so many seconds."""
        deadline, pause = time.monotonic() + timeout, 0.05
        while not (found := self.run(run)).is_final:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run is still {found.status} after {timeout:g} s.")
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)
        return found

    def usage(
        self, group_by: str = "day", *, since: date | None = None, until: date | None = None, **filters: Any
    ) -> Usage:
        """Return what calls of models used, by day, model, workflow, agent, user, connection, run or node."""
        return Usage.of(self.rest.get("usage", group_by=group_by, since=since, until=until, **filters))
