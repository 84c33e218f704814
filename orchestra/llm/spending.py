"""What calls of models use: one record per call, and the sum of an attempt's calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestra.llm.catalogue import Prices, cost
from orchestra.llm.client import Finish, ModelTarget

DIGITS = 8
"""Of a cost, after the point: as many as are stored, so that sums of calls and stored sums are the same."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model: what it used, at which price, how it went; `cost` in the installation's currency."""

    connection: str
    model: str
    agent: str
    input_tokens: int
    output_tokens: int
    cost: float
    prices: Prices | None
    """Money per million input and output tokens; None: the catalogue's, which may know steps."""
    seconds: float
    ended_at: datetime
    error: str = ""
    """Code of the failure; empty: it was answered."""
    is_estimated: bool = False
    """The provider did not say how many tokens it were."""


@dataclass(slots=True)
class Tally:
    """Tokens and cost so far. Pass one to `ask` to know what was spent even when it raises."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    model: str = ""
    calls: int = 0
    history: list[str] = field(default_factory=list)
    made: list[Call] = field(default_factory=list)
    """The calls that began, in the order in which they ended."""

    def add(self, target: ModelTarget, finish: Finish, *, seconds: float = 0.0, error: str = "") -> None:
        """Count one call; `error` is the code of what ended it early."""
        spent = round(cost(target.model, finish.input_tokens, finish.output_tokens, target.prices), DIGITS)
        self.input_tokens += finish.input_tokens
        self.output_tokens += finish.output_tokens
        self.cost = round(self.cost + spent, DIGITS)
        self.model = finish.model or target.model
        self.made.append(
            Call(
                connection=target.connection,
                model=target.model,
                agent=target.agent,
                input_tokens=finish.input_tokens,
                output_tokens=finish.output_tokens,
                cost=spent,
                prices=target.prices,
                seconds=seconds,
                ended_at=datetime.now(UTC),
                error=error,
                is_estimated=bool(error) and bool(finish.input_tokens or finish.output_tokens),
            )
        )
