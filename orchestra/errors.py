"""The error tree: every class says who must act and whether trying again can help.

The first line of a class's docstring is its default message; `code` is stable and part of the
public surface, `status` is the HTTP status a request gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (`nodes.score.settings.prompt`), a stable code, what to do."""

    path: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class OrchestraError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str = "", *, problems: Sequence[Problem] = ()) -> None:
        self.message = message or self.default_message()
        self.problems = tuple(problems)
        super().__init__(self.message)

    @classmethod
    def default_message(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]


class InvalidWorkflow(OrchestraError):
    """The workflow definition has problems; each is listed with its path."""

    code = "invalid_workflow"
    status = 422


class InvalidInput(OrchestraError):
    """The input does not fit what this asks for; each problem is listed with its path."""

    code = "invalid_input"
    status = 422


class NotPermitted(OrchestraError):
    """Your role in this team does not allow this."""

    code = "not_permitted"
    status = 403


class BadSignature(OrchestraError):
    """The delivery is not signed as it must be, or there is no such webhook."""

    code = "bad_signature"
    status = 401


class Conflict(OrchestraError):
    """This is not in a state that allows that."""

    code = "conflict"
    status = 409


class StaleRevision(Conflict):
    """Somebody changed this since you read it; read it again and repeat the change."""

    code = "stale_revision"
    status = 412


class LimitReached(OrchestraError):
    """A limit is reached; try again later."""

    code = "limit_reached"
    status = 429

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(OrchestraError):
    """A service this needs cannot be reached; it is tried again."""

    code = "unavailable"
    status = 503


class NodeFailure(OrchestraError):
    """The node failed."""

    code = "node_failed"
    status = 500
    hint: ClassVar[str] = "Look at the error and the node's input, then retry the run from here."

    def as_json(self) -> dict[str, Any]:
        """The shape stored on a node run: `{code, message, hint, transient}`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "transient": isinstance(self, Transient),
        }


class Transient(NodeFailure):
    """The outside world did not answer as it should; trying again may help."""

    code = "transient"


class ModelUnavailable(Transient):
    """The model's provider cannot be reached or answered with an error of its own."""

    code = "model_unavailable"
    hint = "Check the connection's base URL and the provider's status; the node is tried again by its retry policy."


class BreakerOpen(ModelUnavailable):
    """Too many calls to this connection have failed; it is left alone for a moment."""

    code = "breaker_open"
    hint = "The connection's page says which failure opened its circuit breaker, and when it is tried again."

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelTimeout(Transient):
    """The model did not answer in time."""

    code = "model_timeout"
    hint = "Raise the node's timeout or choose a faster model."


class RateLimited(Transient):
    """The provider asks for a pause."""

    code = "rate_limited"
    hint = "Lower the concurrency, or ask the provider for a higher limit."

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ToolTimeout(Transient):
    """The call did not end in time."""

    code = "timeout"
    hint = "Raise the node's timeout, or make the called service faster."


class ToolUnavailable(Transient):
    """The called service cannot be reached or answered with an error of its own."""

    code = "tool_unavailable"
    hint = "Check the URL and the service's status; the node is tried again by its retry policy."


class Permanent(NodeFailure):
    """Trying again with the same settings would fail again."""

    code = "permanent"


class BadCredentials(Permanent):
    """The provider refuses the key."""

    code = "bad_credentials"
    hint = "Open the connection and enter a valid key, then retry the run."


class ModelRefused(Permanent):
    """The provider refuses the request."""

    code = "model_refused"
    hint = "Check the model's name, the prompt's length and the settings of the node."


class BadOutput(Permanent):
    """The answer does not have the shape that was asked for."""

    code = "bad_output"
    hint = "Simplify the schema or make the prompt clearer about it."


class ToolFailed(Permanent):
    """The function or service says that the call failed."""

    code = "tool_failed"


class ToolRefused(Permanent):
    """A person has refused the call."""

    code = "tool_refused"
    hint = "Read the comment of whoever refused it, and change what is asked of the tool."


class Overtaken(Permanent):
    """Another attempt has taken the node over."""

    code = "overtaken"


class AddressNotAllowed(Permanent):
    """The address is not allowed: it leads inside this installation's network."""

    code = "address_not_allowed"
    hint = "Use a public address, or ask an operator to allow this host and port."


class ExpressionError(Permanent):
    """An expression could not be evaluated."""

    code = "expression_error"
    hint = "Correct the expression and publish the workflow again."


class BudgetSpent(Permanent):
    """The budget is spent."""

    code = "budget_spent"
    hint = "Raise the budget or wait for its next day or month, then retry the run."


class BudgetDegraded(ModelUnavailable):
    """The budget is spent; a cheaper model takes over."""

    code = "budget_degraded"
    hint = "Raise the budget to use the first choice again."


class StepLimit(Permanent):
    """The agent took as many steps as it may and was not done."""

    code = "step_limit"
    hint = "Raise `max_steps`, or give the agent a smaller task or better tools."


class CostLimit(Permanent):
    """The cost limit is reached."""

    code = "cost_limit"
    hint = "Raise the limit of the workflow or the node, then run it again."


class TimeLimit(Permanent):
    """The time limit is reached."""

    code = "time_limit"
    hint = "Raise the limit of the workflow or the node's timeout, then run it again."


class EffectUnknown(Permanent):
    """Nobody knows whether the node's effect has happened."""

    code = "effect_unknown"
    hint = "Find out at the called service; then run what is left, with or without this node."


class WorkerLost(Permanent):
    """The node's worker was lost several times while it ran; it is kept from taking more workers down."""

    code = "poison"
    hint = "Look at the worker's log for memory or crashes, then retry the node by hand."
