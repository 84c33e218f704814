"""Modular decomposition: every part is a module, series and parallel are what they say, knots cannot be split."""

from __future__ import annotations

from orchestra.engine.decomposition import Part, decompose
from orchestra.engine.order import Order, order_of


def order_from(edges: str) -> Order:
    """`02 12 13`: 0 and 1 precede 2, 1 precedes 3."""
    pairs = [(int(edge[0]), int(edge[1])) for edge in edges.split()]
    count = max(max(pair) for pair in pairs) + 1
    return order_of([[source for source, target in pairs if target == element] for element in range(count)])


def text(part: Part) -> str:
    if part.op == "leaf":
        return str(part.element)
    inner = " ".join(sorted(map(text, part.children)) if part.op == "parallel" else map(text, part.children))
    return {"series": "[{}]", "parallel": "{{{}}}", "knot": "<{}>"}[part.op].format(inner)


def shape(edges: str) -> str:
    part = decompose(order_from(edges))
    assert part is not None
    return text(part)


def test_series_and_parallel_nest() -> None:
    assert shape("01 02 13 23") == "[0 {1 2} 3]"
    assert shape("01 12 02") == "[0 1 2]"
    assert shape("02 03 12 13") == "[{0 1} {2 3}]"


def test_an_n_shape_is_a_knot() -> None:
    assert shape("02 12 13") == "<0 1 2 3>"


def test_a_diamond_in_a_knot_is_found() -> None:
    """2 in the N-shape is a diamond: 2, then 4 and 5, then 6."""
    assert shape("02 12 13 24 25 46 56") == "<0 1 [2 {4 5} 6] 3>"


def test_the_order_is_reduced_and_closed() -> None:
    order = order_from("01 12 02 23 03")

    assert order.direct == ((), (0,), (1,), (2,))
    assert order.below == (0b0, 0b1, 0b11, 0b111)
    assert order.above == (0b1110, 0b1100, 0b1000, 0b0)
