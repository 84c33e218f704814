"""What to do about failures, in the reader's language: the pure core speaks English and knows no translations."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

HINTS = frozenset(
    {
        _("Look at the error and the node's input, then retry the run from here."),
        _(
            "Check the connection's base URL and the provider's status; the node is tried again by its retry policy."
        ),
        _("The connection's page says which failure opened its circuit breaker, and when it is tried again."),
        _("Raise the node's timeout or choose a faster model."),
        _("Lower the concurrency, or ask the provider for a higher limit."),
        _("Raise the node's timeout, or make the called service faster."),
        _("Check the URL and the service's status; the node is tried again by its retry policy."),
        _("Open the connection and enter a valid key, then retry the run."),
        _("Check the model's name, the prompt's length and the settings of the node."),
        _("Simplify the schema or make the prompt clearer about it."),
        _("Use a public address, or ask an operator to allow this host and port."),
        _("Correct the expression and publish the workflow again."),
        _("Raise `max_steps`, or give the agent a smaller task or better tools."),
        _("Raise the limit of the workflow or the node, then run it again."),
        _("Raise the limit of the workflow or the node's timeout, then run it again."),
        _("Ask the tool for less, or have it keep the data and return where it is."),
        _(
            "Look at the node's `seconds`, `until`, `signal` and `expires`, and at what their expressions give."
        ),
        _("Find out at the called service; then run what is left, with or without this node."),
        _(
            "Look at the node's `title`, `body`, `assignees` and `expires`, and at what their expressions give."
        ),
        _("Correct the node's `assignees` and `quorum`, or add the people to the team."),
        _("Install the package again that brings this kind, restart, and retry the run."),
        _(
            "Look at the node's `workflow`, `version` and `input`, and at the inputs of the workflow it names."
        ),
        _("Open the child run, see what went wrong there, and retry this node."),
        _("Look at the nodes of the last time the body ran."),
        _("Raise `max`, or look at the condition and at what the body makes of `loop.value`."),
        _("Look at the worker's log for memory or crashes, then retry the node by hand."),
        _("Raise the budget or wait for its next day or month, then retry the run."),
        _("Raise the budget to use the first choice again."),
        _("Read the comment of whoever refused it, and change what is asked of the tool."),
    }
)


def translated(hint: str) -> str:
    """Return a hint in the reader's language; one that is not ours stays as it is."""
    return gettext(hint) if hint in HINTS else hint
