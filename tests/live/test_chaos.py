"""Everything at once: readers that come and go, slow ones, cut connections, messages lost, doubled and swapped.

The seed is fixed; `ORCHESTRA_CHAOS_SEED` tries another. Each reader must see each event once, in order.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest

from apps.accounts.models import User
from apps.runs.live import TextStreams, broadcast, frames, topics
from tests.live.browsing import Block, Client, cookie_of, in_thread
from tests.live.conftest import RedisServer
from tests.live.growing import Growing

SEED = int(os.environ.get("ORCHESTRA_CHAOS_SEED", "20261122"))
EVENTS = 300
READERS = 14
SLOW = 4
NODES = ("draft", "review")


class Writer:
    """Writes the log and the texts of a run, and tells of them badly."""

    def __init__(self, growing: Growing, dice: random.Random) -> None:
        self.growing = growing
        self.texts = dict.fromkeys(NODES, "")
        self._dice = dice
        self._held: list[Any] = []

    def write(self) -> None:
        streams = TextStreams(gather_seconds=0.005)
        for index in range(EVENTS - 1):
            self._tell(self.growing.log("node.started", f"n{index}"))
            node = self._dice.choice(NODES)
            word = f"{index} "
            self.texts[node] += word
            streams.add(self.growing.id, node, 1, word)
            time.sleep(self._dice.uniform(0, 0.01))
        streams.close()
        broadcast(self.growing.log("run.succeeded", status="succeeded"))

    def _tell(self, frames: Any) -> None:
        fate = self._dice.random()
        if fate < 0.05:
            return
        if fate < 0.1:
            self._held = frames
            return
        broadcast(frames)
        if fate < 0.15:
            broadcast(frames)
        if self._held:
            broadcast(self._held)
            self._held = []


class Looker:
    """Follows the run over any number of connections, and remembers all that it was told."""

    def __init__(self, path: str, headers: dict[str, str], dice: random.Random, *, is_slow: bool) -> None:
        self.seqs: list[int] = []
        self.shown: dict[str, tuple[int, str]] = {}
        self.texts: list[tuple[str, str]] = []
        self.gaps = 0
        self.visits = 0
        self._path = path
        self._headers = headers
        self._dice = dice
        self._is_slow = is_slow
        self._last_id = ""
        self._is_over = False

    async def look(self) -> None:
        while not self._is_over:
            self.visits += 1
            headers = {**self._headers, **({"last-event-id": self._last_id} if self._last_id else {})}
            async with Client(self._path, headers, before_send=self._dawdle) as client:
                if client.status == 204:
                    return
                await self._take(client, self._dice.uniform(0.05, 0.8))
            for block in client.blocks:
                self._note(block)
            self._last_id = client.last_id or self._last_id
            self.texts += [(path, text) for path, (_, text) in self.shown.items()]
            self.shown.clear()

    async def _take(self, client: Client, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await client.until_over()
        except TimeoutError:
            return

    async def _dawdle(self) -> None:
        if self._is_slow:
            await asyncio.sleep(self._dice.uniform(0, 0.2))

    def _note(self, block: Block) -> None:
        if "id" in block:
            self.seqs.append(int(block["id"]))
        kind = block.get("event", "")
        self._is_over = self._is_over or kind == "end"
        if kind in {"node.text", "node.delta"}:
            data = block["data"]["data"]
            index, text = self.shown.get(data["path"], (0, ""))
            if kind == "node.text":
                self.shown[data["path"]] = (data["index"], data["text"])
            else:
                self.gaps += data["index"] != index + 1
                self.shown[data["path"]] = (data["index"], text + data["text"])


@pytest.fixture
def _small_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (frames, topics):
        monkeypatch.setattr(module, "RING_FRAMES", 24)


@pytest.mark.usefixtures("_small_rings")
async def test_nothing_is_lost_and_nothing_comes_twice(
    growing: Growing, viewer: User, driver_name: str, request: pytest.FixtureRequest
) -> None:
    dice = random.Random(SEED)
    headers = await in_thread(cookie_of)(viewer)
    lookers = [
        Looker(growing.path, headers, random.Random(dice.random()), is_slow=number < SLOW)
        for number in range(READERS)
    ]
    writer = Writer(growing, random.Random(dice.random()))

    looking = [asyncio.ensure_future(looker.look()) for looker in lookers]
    writing = asyncio.ensure_future(asyncio.to_thread(writer.write))
    cuts = 0
    while not writing.done():
        if driver_name == "redis":
            server: RedisServer = request.getfixturevalue("redis_server")
            cuts += await asyncio.to_thread(server.cut_readers)
        await asyncio.sleep(dice.uniform(0.05, 0.3))
    await asyncio.wait_for(asyncio.gather(writing, *looking), 60)

    expected = list(range(1, EVENTS + 1))
    assert [looker.seqs == expected for looker in lookers] == [True] * READERS
    assert [looker.gaps for looker in lookers] == [0] * READERS
    shown = [seen for looker in lookers for seen in looker.texts]
    assert [seen for seen in shown if not writer.texts[seen[0]].startswith(seen[1])] == []
    assert max(len(text) for _, text in shown) > max(map(len, writer.texts.values())) / 2
    assert sum(looker.visits for looker in lookers) > 2 * READERS
    assert cuts > 3 or driver_name != "redis"
