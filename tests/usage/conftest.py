"""A model whose tokens cost something, and rows of usage without a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents.actions import create_connection
from apps.agents.models import Connection
from apps.usage.models import ModelCall
from orchestra.ids import new_id


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def paid(team: Team, editor: User) -> Connection:
    """The team's default connection: a simulated model at 1,000 and 3,000 per million tokens."""
    options = {"latency": 0, "tps": 0, "prices": {"simulated-1": [1_000, 3_000]}}
    return create_connection(
        team=team, name="Paid", dialect="simulated", options=options, is_default=True, by=editor
    )


@pytest.fixture
def add_call(team: Team, editor: User) -> Any:
    """Return a factory of calls: `add_call(at=…, cost="0.5", model="m")`."""

    def add(at: datetime | None = None, **fields: Any) -> ModelCall:
        given = {
            "team": team,
            "run": new_id(),
            "number": 1,
            "workflow": "brief",
            "model": "m1",
            "user": editor,
        }
        return ModelCall.objects.create(at=at or timezone.now(), **{**given, **fields})

    return add
