"""Kind `approval`: stop until people decide; what they decide is the port that is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.expressions import has_holes
from orchestra.engine.filters import text_of
from orchestra.engine.nodes.base import Kind, Settings, expression_or, object_schema, text_field
from orchestra.engine.nodes.wait import LONGEST_SECONDS, seconds_of
from orchestra.engine.outcome import Done, Outcome, Suspend
from orchestra.engine.plan import OUT
from orchestra.engine.schemas import find_schema_problems
from orchestra.errors import Permanent, Problem

APPROVED = "approved"
REJECTED = "rejected"
EXPIRED = "expired"
ROLES = ("owner", "editor", "operator", "viewer")
WAITING_FOR = "approval"
MOST_ASSIGNEES = 50
TITLE_CHARACTERS = 300
BODY_CHARACTERS = 100_000

SCHEMA = object_schema(
    {
        "title": text_field("Title", "The question, in one line.", minLength=1),
        "body": text_field("Text", "What people need to know to decide, in Markdown.", format="markdown"),
        "form": {
            "type": "object",
            "title": "Form",
            "description": "JSON Schema of what people fill in when they approve.",
            "format": "json",
        },
        "assignees": expression_or(
            {
                "type": "array",
                "title": "Who decides",
                "description": "User names, team:<role> (editors: at least that role) or team:<short name>. "
                "Empty: the operators of the team.",
                "maxItems": MOST_ASSIGNEES,
                "items": {"type": "string", "minLength": 1},
            }
        ),
        "quorum": {
            "type": "integer",
            "title": "Quorum",
            "description": "How many people must approve; one who rejects is enough to reject.",
            "minimum": 1,
            "maximum": MOST_ASSIGNEES,
            "default": 1,
        },
        "expires": expression_or(
            {
                "type": "number",
                "title": "Expires (s)",
                "description": "Seconds after which nobody can decide any more.",
                "exclusiveMinimum": 0,
                "maximum": LONGEST_SECONDS,
            }
        ),
        "on_expiry": {
            "enum": [EXPIRED, APPROVED, REJECTED],
            "title": "When it expires",
            "description": "The port that is taken then.",
            "default": EXPIRED,
        },
    },
    ("title",),
)


class BadApproval(Permanent):
    """What the node asks people makes no sense."""

    code = "bad_approval"
    hint = (
        "Look at the node's `title`, `body`, `assignees` and `expires`, and at what their expressions give."
    )


class NobodyToDecide(Permanent):
    """Nobody can decide this: an assignee does not exist, or there are fewer people than the quorum asks for."""

    code = "nobody_to_decide"
    hint = "Correct the node's `assignees` and `quorum`, or add the people to the team."


@dataclass(frozen=True, slots=True)
class Assignees:
    """Who may decide: people by user name, members of the run's team with at least a role, teams by short name."""

    people: frozenset[str] = frozenset()
    role: str = ""
    teams: frozenset[str] = frozenset()


def parse_assignees(given: Sequence[str]) -> Assignees:
    """Read `ada`, `user:ada`, `team:editors`, `team:legal`; of several roles the least counts, of none operators."""
    if not given:
        return Assignees(role="operator")
    people: set[str] = set()
    roles: set[str] = set()
    teams: set[str] = set()
    for entry in given:
        head, colon, name = entry.strip().partition(":")
        if not colon or head == "user":
            people.add(name or head)
        elif name.removesuffix("s") in ROLES:
            roles.add(name.removesuffix("s"))
        else:
            teams.add(name)
    least = max(roles, key=ROLES.index, default="")
    return Assignees(frozenset(people), least, frozenset(teams))


async def run(context: Context, settings: Settings) -> Outcome:
    """Ask, and lay the node down until enough people have answered. Raises BadApproval, NobodyToDecide."""
    title = " ".join(text_of(settings["title"]).split())
    body = text_of(settings.get("body"))
    assignees = settings.get("assignees") or []
    if not title or len(title) > TITLE_CHARACTERS or len(body) > BODY_CHARACTERS:
        raise BadApproval(
            f"The title takes 1 to {TITLE_CHARACTERS} characters, the body {BODY_CHARACTERS:,} at most."
        )
    if not isinstance(assignees, list) or not all(_is_assignee(entry) for entry in assignees):
        raise BadApproval("`assignees` is a list of user names, team:<role> and team:<short name>.")
    quorum = settings.get("quorum", 1)
    await context.check_assignees(assignees, quorum)
    expires = settings.get("expires")
    asked = {
        "title": title,
        "body": body,
        "form": settings.get("form"),
        "assignees": assignees,
        "quorum": quorum,
    }
    return Suspend(WAITING_FOR, None if expires is None else seconds_of(expires), data=asked)


def _is_assignee(entry: Any) -> bool:
    if not isinstance(entry, str) or not entry.strip():
        return False
    head, colon, name = entry.strip().partition(":")
    return not colon or (head in {"user", "team"} and bool(name))


def on_decision(
    decision: str, *, by: str | None = None, form: Mapping[str, Any] | None = None, comment: str = ""
) -> Done:
    """Return how the node ends; `by` is the user name of whoever decided last."""
    output = {
        "decision": decision,
        "by": by,
        "form": None if form is None else dict(form),
        "comment": comment,
    }
    return Done(output, ports=(OUT, decision))


def on_due(settings: Settings) -> Done:
    """Return how the node ends when nobody has decided in time."""
    return on_decision(settings.get("on_expiry", EXPIRED))


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """A form that is no schema of an object; assignees that are none; a quorum that cannot be met."""
    form = settings.get("form")
    if form is not None:
        yield from find_schema_problems(form, f"{path}.form")
        if form.get("type", "object") != "object":
            yield Problem(f"{path}.form", "bad_schema", "A form is the schema of an object: `type: object`.")
    if "on_expiry" in settings and "expires" not in settings:
        yield Problem(f"{path}.on_expiry", "bad_value", "Without `expires` it never expires.")
    assignees = settings.get("assignees")
    if isinstance(assignees, list) and not any(map(has_holes, assignees)):
        yield from _assignee_problems(assignees, settings.get("quorum", 1), path)


def _assignee_problems(assignees: Sequence[str], quorum: int, path: str) -> Iterable[Problem]:
    for index, entry in enumerate(assignees):
        if not _is_assignee(entry):
            message = "Write a user name, team:<role> or team:<short name>."
            yield Problem(f"{path}.assignees[{index}]", "bad_value", message)
    named = parse_assignees(assignees)
    if assignees and not named.role and not named.teams and quorum > len(named.people):
        message = f"A quorum of {quorum} can never be met by {len(named.people)} people."
        yield Problem(f"{path}.quorum", "bad_value", message)


KIND = Kind(
    name="approval",
    title="Approval",
    description="Stop until people decide.",
    schema=SCHEMA,
    run=run,
    ports=lambda settings: (APPROVED, REJECTED, EXPIRED),
    raw=frozenset({"form", "quorum", "on_expiry"}),
    find_problems=find_problems,
    fields=("decision", "by", "form", "comment"),
    waits=True,
    on_due=on_due,
)
