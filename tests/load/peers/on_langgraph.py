"""LangGraph with its PostgreSQL checkpointer, as it comes: a checkpoint after every step, in the client's process."""

from __future__ import annotations

import asyncio
import operator
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import work
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool


class State(TypedDict):
    done: Annotated[int, operator.add]


async def noop(_state: State) -> dict[str, int]:
    return {"done": 1}


async def stream(_state: State) -> dict[str, int]:
    await work.astream()
    return {"done": 1}


def fibo_of(n: int) -> Callable[[State], Awaitable[dict[str, int]]]:
    async def fibo(_state: State) -> dict[str, int]:
        work.fibo(n)
        return {"done": 1}

    return fibo


def chain(length: int, node: Any = noop) -> StateGraph:
    graph = StateGraph(State)
    for number in range(length):
        graph.add_node(f"n{number}", node)
        graph.add_edge(f"n{number - 1}" if number else START, f"n{number}")
    graph.add_edge(f"n{length - 1}", END)
    return graph


def fan(width: int, node: Any = noop) -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("one", node)
    graph.add_node("join", noop)
    graph.add_conditional_edges(START, lambda _state: [Send("one", {"done": 0})] * width, ["one"])
    graph.add_edge("one", "join")
    graph.add_edge("join", END)
    return graph


def diamond() -> StateGraph:
    graph = StateGraph(State)
    for name in "abcd":
        graph.add_node(name, noop)
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")
    graph.add_edge(["b", "c"], "d")
    graph.add_edge("d", END)
    return graph


LOOP = asyncio.new_event_loop()


async def open_saver() -> AsyncPostgresSaver:
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool = AsyncConnectionPool(os.environ["PEER_DATABASE"], max_size=20, open=False, kwargs=settings)
    await pool.open()
    saver = AsyncPostgresSaver(pool)
    await saver.setup()
    return saver


def run(graph: StateGraph, steps: int, count: int = 1) -> None:
    """Run a graph a number of times at once."""
    compiled = graph.compile(checkpointer=SAVER)

    async def run_all() -> None:
        configs = [
            {"configurable": {"thread_id": str(uuid4())}, "recursion_limit": steps + 10} for _ in range(count)
        ]
        await asyncio.gather(*[compiled.ainvoke({"done": 0}, config) for config in configs])

    LOOP.run_until_complete(run_all())


if __name__ == "__main__":
    SAVER = LOOP.run_until_complete(open_saver())
    work.tell(
        {
            "chain": lambda length: run(chain(length), length),
            "fibo": lambda length: run(chain(length, fibo_of(10)), length),
            "heavy": lambda length: run(chain(length, fibo_of(33)), length),
            "fan": lambda width: run(fan(width), 2),
            "streams": lambda width: run(fan(width, stream), 2),
            "diamonds": lambda count: run(diamond(), 3, count),
            "chains": lambda count: run(chain(3), 3, count),
        }
    )
