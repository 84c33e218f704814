"""The state of a run's page: maps summed up, bars in lanes, and no query more for more items."""

from __future__ import annotations

from typing import Any

import pytest

from apps.runs.board import Bar, combined, lanes, read_board, template_path
from apps.runs.models import NodeRun, Run

pytestmark = pytest.mark.django_db


def test_items_of_a_map_are_counted_under_one_path(run: Run, open_items: Any) -> None:
    open_items(["succeeded", "failed", "running", "pending"])

    board = read_board(Run.objects.all(), run.pk)

    draft, views = board.states["views[].draft"], board.states["views"]
    assert (draft.status, draft.done, draft.total, draft.failed) == ("running", 2, 4, 1)
    assert (views.status, views.shown, views.done, views.total) == ("waiting", "running", 2, 4)
    assert draft.tokens == 40
    assert board.active == {"views[2].draft": "running", "views[2]": "running"}


def test_cancelled_items_of_a_map_are_not_done(run: Run, open_items: Any) -> None:
    open_items(["succeeded", "cancelled", "cancelled"])

    views = read_board(Run.objects.all(), run.pk).states["views"]

    assert (views.done, views.total) == (1, 3)


def test_rows_stand_in_reading_order_with_bodies_below_their_map(run: Run) -> None:
    board = read_board(Run.objects.all(), run.pk)

    assert list(board.states) == ["outline", "views", "views[].draft", "route", "rewrite"]


def test_a_map_lasts_from_its_first_item_on(run: Run, open_items: Any) -> None:
    open_items(["succeeded", "succeeded"])
    NodeRun.objects.filter(run=run, path="views").update(started_at=None)

    board = read_board(Run.objects.all(), run.pk)

    [bar] = board.states["views"].bars
    assert (bar.start, bar.end) == (0, None)


def test_the_state_as_json_is_what_the_script_needs(run: Run, open_items: Any) -> None:
    open_items(["succeeded", "running"])

    state = read_board(Run.objects.all(), run.pk).as_json()

    assert (state["seq"], state["status"], state["total"]) == (1, "running", 4)
    assert state["nodes"]["views[].draft"]["counts"] == {"succeeded": 1, "running": 1}
    assert state["nodes"]["views[].draft"]["bars"] == [
        ["views[0].draft", 0, 2000, "succeeded"],
        ["views[1].draft", 1000, None, "running"],
    ]


def test_the_number_of_queries_does_not_grow_with_the_items(
    run: Run, open_items: Any, django_assert_max_num_queries: Any
) -> None:
    open_items(["succeeded"] * 1000)

    with django_assert_max_num_queries(8):
        board = read_board(Run.objects.select_related("version"), run.pk)

    assert board.states["views"].done == 1000
    bars = board.states["views[].draft"].bars
    assert 400 <= len(bars) <= 600
    assert bars[-1].path == "views[998].draft"


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({}, "pending"),
        ({"pending": 3}, "pending"),
        ({"pending": 2, "succeeded": 1}, "running"),
        ({"running": 1}, "running"),
        ({"queued": 1, "pending": 1}, "queued"),
        ({"succeeded": 2, "failed": 1}, "failed"),
        ({"succeeded": 2, "skipped": 1}, "succeeded"),
        ({"skipped": 2}, "skipped"),
        ({"cancelled": 1, "skipped": 2}, "cancelled"),
        ({"cancelled": 1, "succeeded": 2}, "cancelled"),
        ({"cancelled": 1, "failed": 1, "succeeded": 2}, "failed"),
    ],
)
def test_many_statuses_become_the_one_that_says_most(counts: dict[str, int], status: str) -> None:
    assert combined(counts) == status


def test_indices_are_left_out_of_template_paths() -> None:
    assert template_path("views[12].inner[3].draft") == "views[].inner[].draft"


def test_bars_share_a_lane_only_when_they_do_not_overlap() -> None:
    bars = [Bar("a", 0, 10, "x"), Bar("b", 5, 15, "x"), Bar("c", 10, 20, "x"), Bar("d", 12, None, "x")]

    assert lanes(bars) == [0, 1, 0, 2]


def test_more_bars_than_lanes_share_the_last() -> None:
    assert lanes([Bar(str(i), 0, 10, "x") for i in range(12)]) == [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7]
