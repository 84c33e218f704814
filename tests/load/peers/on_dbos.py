"""DBOS on PostgreSQL, as it comes: every step's result is committed. Workflows run in the client's process."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import work
from dbos import DBOS

DBOS(config={"name": "bench", "system_database_url": os.environ["PEER_DATABASE"], "log_level": "ERROR"})


@DBOS.step()
def noop() -> None:
    """Do nothing."""


@DBOS.step()
async def anoop() -> None:
    """Do nothing."""


@DBOS.step()
def fibo(n: int) -> int:
    return work.fibo(n)


@DBOS.step()
async def stream() -> int:
    return await work.astream()


@DBOS.workflow()
def chain(length: int) -> None:
    for _ in range(length):
        noop()


@DBOS.workflow()
def fibos(length: int, n: int) -> None:
    for _ in range(length):
        fibo(n)


@DBOS.workflow()
async def fan(width: int) -> None:
    await asyncio.gather(*[anoop() for _ in range(width)])
    await anoop()


@DBOS.workflow()
async def streams(width: int) -> None:
    await asyncio.gather(*[stream() for _ in range(width)])
    await anoop()


@DBOS.workflow()
async def diamond() -> None:
    await anoop()
    await asyncio.gather(anoop(), anoop())
    await anoop()


async def run_diamonds(count: int) -> None:
    for handle in [await DBOS.start_workflow_async(diamond) for _ in range(count)]:
        await handle.get_result()


def run_chains(count: int, length: int) -> None:
    for handle in [DBOS.start_workflow(chain, length) for _ in range(count)]:
        handle.get_result()


if __name__ == "__main__":
    DBOS.launch()
    work.tell(
        {
            "chain": chain,
            "fibo": partial(fibos, n=10),
            "heavy": partial(fibos, n=33),
            "fan": lambda width: asyncio.run(fan(width)),
            "streams": lambda width: asyncio.run(streams(width)),
            "diamonds": lambda count: asyncio.run(run_diamonds(count)),
            "chains": partial(run_chains, length=3),
        }
    )
