"""What a client asks to follow: topics and cursors, read from a request and checked against its rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest

from apps.accounts.models import User
from apps.accounts.teams import active_team
from apps.runs.live.wire import approvals_topic, run_topic, team_topic
from apps.runs.models import Run
from orchestra.api import BadRequest

RUNS = "runs"
APPROVALS = "approvals"
TOPICS_LIMIT = 200
LARGEST_CURSOR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wish:
    """One topic as a client names it, and after what it goes on (None: from now on for a team, from the start
    for a run)."""

    name: str
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A topic of the hub that the client may follow, and the team whose members may."""

    wish: Wish
    topic: str
    team_id: str

    @property
    def is_run(self) -> bool:
        return self.wish.name != RUNS and self.topic.startswith("run:")


def wishes_of(topics: str, last_id: str) -> list[Wish]:
    """Read `runs,run:<id>@<seq>` and the vector of a reconnect. Raises BadRequest.

    The vector holds a cursor per topic in their order (`12.0.7`), as the stream's ids did; it wins.
    """
    names = list(dict.fromkeys(part.strip() for part in topics.split(",") if part.strip()))
    if not names:
        names = [RUNS]
    if len(names) > TOPICS_LIMIT:
        raise BadRequest(f"A stream follows at most {TOPICS_LIMIT} topics.")
    wishes = [_wish(*name.partition("@")[::2]) for name in names]
    vector = last_id.split(".") if last_id else []
    if len(vector) == len(wishes):
        wishes = [Wish(wish.name, cursor(raw)) for wish, raw in zip(wishes, vector, strict=True)]
    return wishes


def wishes_from(topics: Sequence[object], after: Mapping[str, object]) -> list[Wish]:
    """Read the topics of a WebSocket's `subscribe`. Raises BadRequest."""
    if not all(isinstance(name, str) for name in topics):
        raise BadRequest("Topics are texts such as `runs` and `run:<id>`.")
    names = dict.fromkeys(str(name) for name in topics)
    return [_wish(name, str(after[name]) if name in after else "") for name in names]


def cursor(raw: str) -> int:
    """Return a cursor: the `seq` after which to go on. Raises BadRequest."""
    if not (raw.isascii() and raw.isdigit()) or int(raw[:20]) > LARGEST_CURSOR:
        raise BadRequest("A cursor is the `seq` of an event: a whole number.")
    return int(raw)


def _wish(name: str, raw: str) -> Wish:
    kind, _, id_ = name.partition(":")
    if name in {RUNS, APPROVALS} or (kind in {"run", "team", APPROVALS} and _is_uuid(id_)):
        return Wish(name, cursor(raw) if raw else None)
    known = "`runs`, `approvals`, `run:<id>`, `team:<id>` and `approvals:<team id>`"
    raise BadRequest(f"There is no topic {name[:60]!r}; topics are {known}.")


def _is_uuid(raw: str) -> bool:
    try:
        return str(UUID(raw)) == raw
    except ValueError:
        return False


def grants(request: HttpRequest, wishes: Sequence[Wish]) -> list[Grant]:
    """Return the topics that the request's user may follow. Raises Http404 when one is not theirs, or not there."""
    given, missing = partition(request, wishes)
    if missing:
        raise Http404
    return given


def partition(request: HttpRequest, wishes: Sequence[Wish]) -> tuple[list[Grant], list[Wish]]:
    """Return what the request's user may follow, and the wishes that they may not."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 (recognised before)
    ids = [wish.name.removeprefix("run:") for wish in wishes if wish.name.startswith("run:")]
    runs = dict(Run.objects.visible_to(user).filter(pk__in=ids).values_list("pk", "team_id")) if ids else {}
    teams = {run_topic(run): str(team) for run, team in runs.items()}
    teams |= {team_topic(team): str(team) for team in user.roles}
    teams |= {approvals_topic(team): str(team) for team in user.roles}
    of_team = {RUNS: team_topic, APPROVALS: approvals_topic}
    given, missing = [], []
    for wish in wishes:
        topic = of_team[wish.name](active_team(request).pk) if wish.name in of_team else wish.name
        if topic in teams:
            given.append(Grant(wish, topic, teams[topic]))
        else:
            missing.append(wish)
    return given, missing
