"""Claims, records, gates and upkeep in virtual time, against every fault at every point, many times over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import User
from apps.runs.actions import upkeep as passes
from apps.runs.models import Event, NodeRun, Run
from apps.usage.models import ModelCall
from apps.workflows.models import Workflow
from orchestra.engine import progress
from orchestra.engine.codec import plan_from_json
from orchestra.engine.plan import Plan
from orchestra.engine.simulate import simulate
from tests.faults import breaking
from tests.faults.breaking import Replacements
from tests.faults.invariants import Seen, SeenNode, all_violations
from tests.faults.shapes import LIMIT, fixed_shapes, random_shapes, shapes_with_care
from tests.faults.simulation.behaviour import SCRIPTED, USAGE, ideal
from tests.faults.simulation.chance import CALM, Odds
from tests.faults.simulation.world import REST_SECONDS, Story, play
from workers.upkeep import Upkeep

WORLDS = int(os.environ.get("ORCHESTRA_SIMULATED_WORLDS", "3"))
RUNS_A_WORLD = 130
POINTS = {
    f"crash {point}"
    for point in (
        "before commit",
        "inside the transaction",
        "after commit, before answer",
        "after commit, before send",
        "between two messages",
        "before the canvas goes on",
    )
}


@pytest.fixture
def workflows(publish_workflow: Any) -> list[Workflow]:
    shapes = [
        *fixed_shapes().items(),
        *shapes_with_care().items(),
        *((f"random {n}", d) for n, d in enumerate(random_shapes(7, 12))),
    ]
    return [publish_workflow(definition, name=name) for name, definition in shapes]


def seen_of(story: Story) -> Iterator[Seen]:
    """Read every run of a story as the checker wants it."""
    truths: dict[Any, tuple[Plan, Mapping[str, str]]] = {}
    for run in Run.objects.filter(pk__in=[run.pk for run in story.runs]).select_related(
        "version", "workflow"
    ):
        if run.version_id not in truths:
            truths[run.version_id] = truth_of(plan_from_json(run.version.plan))
        plan, expected = truths[run.version_id]
        is_bounded = "cost" in plan.limits
        rows = list(NodeRun.objects.filter(run=run))
        yield Seen(
            name=str(run),
            run={name: getattr(run, name) for name in ("status", "seq", "nodes_done", "nodes_total")},
            nodes={row.path: SeenNode(row.path, row.kind, row.status, row.ports) for row in rows},
            events=list(run.events.order_by("id").values("seq", "type", "node")),
            plan=plan,
            expected={} if is_bounded or run.status == "cancelled" else expected,
            attempts={
                row.path: (row.output["attempt"], row.attempt)
                for row in rows
                if row.kind in SCRIPTED and row.status == "succeeded" and not is_reused(row)
            },
        )


def is_reused(row: NodeRun) -> bool:
    """Say whether a result is that of earlier work, perhaps of another run."""
    return bool(row.attempts and row.attempts[-1].get("cached"))


def truth_of(plan: Plan) -> tuple[Plan, Mapping[str, str]]:
    """Return a plan with the statuses that its nodes have to end in, by path."""
    told = simulate(plan, {}, behave=ideal, by_units=False)
    return plan, {path: end.status.value for path, end in told.nodes.items()}


def faults_of(story: Story) -> list[str]:
    """Return what is wrong with a story, the checks that need rows included."""
    return [
        *(f"{type(error).__name__}: {error}" for error in story.errors),
        *all_violations(seen_of(story)),
        *_charged_once(story),
        *_kept_its_limit(story),
        *_rested(story),
    ]


def _charged_once(story: Story) -> Iterator[str]:
    """Every attempt that was reported is charged, also one that came too late, and none of them twice."""
    for run in Run.objects.filter(pk__in=[run.pk for run in story.runs]):
        calls = list(ModelCall.objects.filter(run=run.pk).values_list("node", "fence"))
        if (run.input_tokens, float(run.cost)) != (len(calls) * USAGE.input_tokens, len(calls) * USAGE.cost):
            yield f"{run}: charged {run.input_tokens} tokens for {len(calls)} calls"
        if twice := [call for call, count in Counter(calls).items() if count > 1]:
            yield f"{run}: charged more than once for {twice[:5]}"
        ended = NodeRun.objects.filter(run=run, kind__in=SCRIPTED, status="succeeded")
        worked = {row.path for row in ended if not is_reused(row)}
        if missing := worked - {node for node, _fence in calls}:
            yield f"{run}: charged nothing for {sorted(missing)[:5]}"


def _kept_its_limit(story: Story) -> Iterator[str]:
    """A run that costs more than its limit ends because of it, and of its calls at most one has passed it."""
    bounded = Run.objects.filter(pk__in=[run.pk for run in story.runs], workflow__name="bounded")
    for run in bounded.exclude(status="cancelled"):
        codes = {row.error["code"] for row in NodeRun.objects.filter(run=run, status="failed")}
        if (run.status, codes) != ("failed", {"cost_limit"}):
            yield f"{run}: {run.status} with {codes} after {run.cost} of {LIMIT}"
        ended = NodeRun.objects.filter(run=run, status="succeeded").count()
        if ended * USAGE.cost >= LIMIT + USAGE.cost:
            yield f"{run}: {ended} results at {USAGE.cost} each, its limit is {LIMIT}"


def _rested(story: Story) -> Iterator[str]:
    if story.seconds > story.calm_at + REST_SECONDS + story.work_seconds:
        yield f"calm since {story.calm_at:.0f} s, but over only at {story.seconds:.0f} s"


def test_a_calm_world_needs_no_rescue(workflows: list[Workflow], editor: User) -> None:
    no_waits = workflows[: len(fixed_shapes())]

    story = play(seed=1, odds=CALM, workflows=no_waits, by=editor, count=60, has_upkeep=False)

    assert faults_of(story) == []
    assert set(
        NodeRun.objects.filter(run__in=[run.pk for run in story.runs]).values_list("losses", flat=True)
    ) == {0}


def test_nothing_is_lost_doubled_or_out_of_order_whatever_happens(
    workflows: list[Workflow], publish_workflow: Any, editor: User
) -> None:
    struck: Counter[str] = Counter()
    for seed in range(WORLDS):
        with in_a_world_of_its_own():
            own = [publish_workflow(d, name=f"{seed} {n}") for n, d in enumerate(random_shapes(seed, 6))]
            story = play(seed=seed, odds=Odds(), workflows=[*workflows, *own], by=editor, count=RUNS_A_WORLD)
            assert faults_of(story) == [], f"in the world of seed {seed}"
        struck.update(story.struck)

    assert struck.keys() >= {*POINTS, "message lost", "message doubled", "message late", "answer lost"}
    assert struck.keys() >= {"kill", "freeze", "stop", "flush", "cancel_run", "pause_run", "resume_run"}


def test_the_same_seed_tells_the_same_story(workflows: list[Workflow], editor: User) -> None:
    told = []
    for _ in range(2):
        with in_a_world_of_its_own():
            story = play(seed=3, odds=Odds(), workflows=workflows[:8], by=editor, count=30)
            events = Event.objects.filter(run__in=[run.pk for run in story.runs])
            # Of one instant each run tells in its own order; between runs a commit's order is PostgreSQL's affair.
            ordered = events.order_by("at", "run__workflow", "run__number", "seq")
            told.append(
                (
                    story.struck,
                    story.seconds,
                    list(ordered.values_list("type", "node", "at")),
                )
            )

    assert told[0] == told[1]


# The checker turns red when the engine is broken on purpose. -------------------------------------
def without_rescue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Upkeep, "_round", lambda _self: None)


def without_lost_workers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(passes, "take_from_lost_workers", lambda: 0)


def without_resending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Upkeep, "_resend", lambda _self: 0)


def broken(replacements: Replacements) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what breaks the engine for a test."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        for owner, name, stand_in in replacements:
            patch.setattr(owner, name, stand_in)

    return break_it


def start_without_join(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(progress, "_decide", lambda _join, _tally, _edges: progress._Verdict.READY)


ZOMBIES = replace(CALM, freezes=3, freeze_seconds=(21, 25), slowness=40)
"""Workers come back just when others are doing their work."""

BROKEN = [
    (without_rescue, Odds(kills=2)),
    (without_lost_workers, replace(CALM, kills=6)),
    (without_resending, replace(CALM, lost=0.2)),
    (broken(breaking.RECORD_WITHOUT_FENCE), ZOMBIES),
    (broken(breaking.CLAIM_WITHOUT_FENCE), ZOMBIES),
    (broken(breaking.RECORD_WITHOUT_STATUS), replace(CALM, answer_lost=0.2)),
    (broken(breaking.FORGET_ANSWERS), replace(CALM, answer_lost=0.2)),
    (start_without_join, CALM),
]
"""What may be broken, each with the faults that it is there against."""


@pytest.mark.parametrize("odds", dict.fromkeys(odds for _, odds in BROKEN))
def test_a_sound_engine_stands_the_same_faults(workflows: list[Workflow], editor: User, odds: Odds) -> None:
    few = workflows[: len(fixed_shapes())]

    assert tells(5, odds, few, editor) == []


@pytest.mark.parametrize(("break_it", "odds"), BROKEN)
def test_a_broken_engine_is_noticed(
    workflows: list[Workflow], editor: User, monkeypatch: pytest.MonkeyPatch, break_it: Any, odds: Odds
) -> None:
    few = workflows[: len(fixed_shapes())]
    break_it(monkeypatch)

    seeds = range(5, 10)

    assert any(tells(seed, odds, few, editor) for seed in seeds)


def tells(seed: int, odds: Odds, workflows: list[Workflow], by: User) -> list[str]:
    """Return what the checker says of a small world."""
    with in_a_world_of_its_own():
        return faults_of(play(seed=seed, odds=odds, workflows=workflows, by=by, count=40))


@contextmanager
def in_a_world_of_its_own() -> Iterator[None]:
    """Forget the runs of a world once it is over."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
