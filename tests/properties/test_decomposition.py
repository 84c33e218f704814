"""Modular decomposition of random orders: every part is a module and what it says, and knots cannot be split."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.decomposition import Part, decompose
from orchestra.engine.order import Order, members, order_of


def random_order(seed: int) -> Order:
    """A random graph with parts of it replaced by smaller random graphs, so that there is something to find."""
    random = Random(seed)
    sources: list[list[int]] = []
    density = random.choice([0.15, 0.3, 0.6])
    for _ in range(random.randint(1, 5)):
        outside = [element for element in range(len(sources)) if random.random() < density]
        start = len(sources)
        for element in range(start, start + random.randint(1, 5)):
            inside = [other for other in range(start, element) if random.random() < 0.5]
            sources.append([*outside, *inside])
    return order_of(sources)


def is_module(order: Order, bits: int, within: int) -> bool:
    """Tell by definition: nothing outside tells two members apart."""
    views = {(order.below[x] & within & ~bits, order.above[x] & within & ~bits) for x in members(bits)}
    return len(views) <= 1


@given(st.integers(0, 1_000_000))
def test_every_part_is_what_it_says(seed: int) -> None:
    order = random_order(seed)
    whole = decompose(order)
    assert whole is not None
    assert whole.bits == (1 << len(order.below)) - 1

    stack = [whole]
    while stack:
        part = stack.pop()
        stack.extend(part.children)
        check(order, part, whole.bits)


def check(order: Order, part: Part, whole: int) -> None:
    assert is_module(order, part.bits, whole)
    assert sum(child.bits for child in part.children) == (part.bits if part.children else 0)
    for left, right in combinations(part.children, 2):
        assert left.bits & right.bits == 0
        relations = {
            "before" if order.above[x] >> y & 1 else "after" if order.below[x] >> y & 1 else "apart"
            for x in members(left.bits)
            for y in members(right.bits)
        }
        assert len(relations) == 1
        if part.op != "knot":
            assert relations == {"before" if part.op == "series" else "apart"}
    if part.op == "knot" and len(part.children) <= 7:
        for size in range(2, len(part.children)):
            for chosen in combinations(part.children, size):
                assert not is_module(order, sum(child.bits for child in chosen), part.bits)
