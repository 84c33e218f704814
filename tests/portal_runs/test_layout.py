"""Graphs in layers: nothing overlaps, edges go down, crossings are few, and large graphs are placed at once."""

from __future__ import annotations

import random
import time
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from apps.workflows.graph import draw
from apps.workflows.layout import Size, arrange

BOX = Size(100, 40)


def place(names: str, edges: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    return dict(arrange(dict.fromkeys(names, BOX), edges).corners)


def test_a_chain_stands_in_one_column_from_top_to_bottom() -> None:
    corners = place("abc", [("a", "b"), ("b", "c")])

    assert corners["a"][0] == corners["b"][0] == corners["c"][0]
    assert corners["a"][1] < corners["b"][1] < corners["c"][1]


def test_a_fork_stands_side_by_side_below_its_middle() -> None:
    corners = place("abcd", [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])

    assert corners["b"][1] == corners["c"][1]
    assert corners["a"][0] == corners["d"][0] == (corners["b"][0] + corners["c"][0]) / 2


def test_edges_that_can_run_without_crossing_do_not_cross() -> None:
    corners = place("abcxyz", [("a", "z"), ("b", "y"), ("c", "x")])

    upper = sorted("abc", key=lambda name: corners[name][0])
    partner = {"a": "z", "b": "y", "c": "x"}
    assert sorted("xyz", key=lambda name: corners[name][0]) == [partner[name] for name in upper]


def test_a_long_edge_keeps_clear_of_the_boxes_it_passes() -> None:
    layout = arrange(dict.fromkeys("abc", BOX), [("a", "b"), ("b", "c"), ("a", "c")])

    left, top = layout.corners["b"]
    passing = [x for x, y in layout.routes[2] if top <= y <= top + BOX.height]
    assert passing
    assert all(x < left or x > left + BOX.width for x in passing)


def test_a_start_stands_right_above_what_follows_it() -> None:
    corners = place("abcs", [("a", "b"), ("b", "c"), ("s", "c")])

    assert corners["s"][1] == corners["b"][1]


def test_a_cycle_is_drawn_with_one_edge_upwards() -> None:
    layout = arrange(dict.fromkeys("ab", BOX), [("a", "b"), ("b", "a")])

    down, up = layout.routes
    assert down[0][1] < down[-1][1]
    assert up[0][1] > up[-1][1]


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=40))
def test_boxes_never_overlap_and_lie_inside_the_extent(pairs: list[tuple[int, int]]) -> None:
    edges = list(dict.fromkeys((str(a), str(b)) for a, b in pairs if a != b))

    layout = arrange({str(i): Size(80 + 9 * i, 30 + 7 * (i % 4)) for i in range(15)}, edges)

    boxes = [(x, y, 80 + 9 * int(name), 30 + 7 * (int(name) % 4)) for name, (x, y) in layout.corners.items()]
    assert len(layout.routes) == len(edges)
    assert all(x >= -0.01 and x + w <= layout.size.width + 0.01 for x, _y, w, _h in boxes)
    assert all(y >= 0 and y + h <= layout.size.height + 0.01 for _x, y, _w, h in boxes)
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1


def test_300_nodes_are_placed_in_less_than_200_milliseconds() -> None:
    chance = random.Random(7)
    nodes = {
        f"n{i}": {
            "kind": "llm",
            "needs": [f"n{chance.randint(max(0, i - 8), i - 1)}" for _ in range(2)] if i else [],
        }
        for i in range(300)
    }

    spent = []
    for _ in range(3):
        started = time.thread_time()
        draw({"nodes": nodes})
        spent.append(time.thread_time() - started)

    assert min(spent) < 0.2


def test_2000_nodes_in_a_row_are_placed_too() -> None:
    nodes = {f"n{i}": {"kind": "llm", "needs": [f"n{i - 1}"] if i else []} for i in range(2000)}

    drawing = draw({"nodes": nodes})

    assert len(list(drawing.nodes)) == 2000
