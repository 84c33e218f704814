"""Names and descriptions of the samples, for the catalogue of translations; the files themselves are in English."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

WORDS = frozenset(
    {
        _("Ask an agent"),
        _(
            "An agent answers a question about a text with tools: it counts words and cuts the text into parts as it "
            "needs. Each step stands on its node."
        ),
        _("Brief of a document"),
        _(
            "Splits a long document, summarises its parts side by side, scores the result, improves it when it is "
            "weak, and writes a one-page brief."
        ),
        _("Review and publish"),
        _(
            "A model writes a note, a person decides about it in the inbox, and it is published after a pause in which "
            "it can still be stopped."
        ),
    }
)
