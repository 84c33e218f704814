"""Asking: fallbacks in order, structured output with re-asks, what it costs, what watchers see."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from orchestra.errors import (
    AddressNotAllowed,
    BadCredentials,
    BadOutput,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
)
from orchestra.llm.answer import Tally, ask
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, ModelTarget, TextDelta
from orchestra.llm.script import Script
from orchestra.llm.simulated import SimulatedClient
from orchestra.llm.wire import NotServed

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
Step = str | Exception | float


class ScriptedClient:
    """Each call plays the next list: text pieces, a pause in seconds, an error; a Finish unless it ends in one."""

    def __init__(self, *calls: Sequence[Step], finish: bool = True) -> None:
        self.calls = list(calls)
        self.requests: list[ModelRequest] = []
        self.closed = 0
        self.spoke = asyncio.Event()
        self._finish = finish

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        try:
            for step in self.calls.pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, str):
                    yield TextDelta(step)
                    self.spoke.set()
                else:
                    await asyncio.sleep(step)
            if self._finish:
                yield Finish("stop", 10, 5, "")
        finally:
            self.closed += 1


def target(client: Any, model: str = "m-1", **fields: Any) -> ModelTarget:
    return ModelTarget(client=client, model=model, connection=fields.pop("connection", "main"), **fields)


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def put(shown: list[str], asking: Any) -> Any:
    """Ask targets and keep what watchers see in `shown`."""

    async def ask_them(targets: Sequence[ModelTarget], tally: Tally | None = None, **fields: Any) -> Any:
        async def on_text(text: str) -> None:
            shown.append(text)

        return await ask(targets, asking(**fields), on_text=on_text, tally=tally)

    return ask_them


async def test_an_answer_has_its_text_tokens_cost_and_origin(put: Any, shown: list[str]) -> None:
    client = ScriptedClient(["Hel", "lo"])

    answer = await put([target(client, prices=(100.0, 200.0))])

    assert (answer.text, answer.data, answer.finish_reason) == ("Hello", None, "stop")
    assert (answer.input_tokens, answer.output_tokens) == (10, 5)
    assert answer.cost == pytest.approx(0.002)
    assert (answer.model, answer.connection) == ("m-1", "main")
    assert shown == ["Hel", "lo"]


@pytest.mark.parametrize(
    "error",
    [ModelUnavailable("x"), ModelTimeout("x"), RateLimited("x"), NotServed("x"), BadCredentials("x")],
)
async def test_the_next_target_is_asked(error: Exception, put: Any) -> None:
    first, second = ScriptedClient([error]), ScriptedClient(["yes"])

    answer = await put([target(first), target(second, "m-2", connection="spare")])

    assert (answer.text, answer.model, answer.connection) == ("yes", "m-2", "spare")
    assert len(answer.history) == 1
    assert answer.history[0].startswith("main/m-1: ")


@pytest.mark.parametrize("error", [ModelRefused("x"), AddressNotAllowed("x"), BadOutput("x")])
async def test_a_request_that_is_wrong_anywhere_is_not_passed_on(error: Exception, put: Any) -> None:
    second = ScriptedClient(["yes"])

    with pytest.raises(type(error)):
        await put([target(ScriptedClient([error])), target(second)])

    assert second.requests == []


async def test_when_all_fail_a_transient_error_wins(put: Any) -> None:
    limited = RateLimited("wait", retry_after=3)
    targets = [
        target(ScriptedClient([error])) for error in (BadCredentials("no"), limited, NotServed("gone"))
    ]

    with pytest.raises(RateLimited) as caught:
        await put(targets)

    assert caught.value is limited


async def test_without_targets_it_says_so(put: Any) -> None:
    with pytest.raises(ModelRefused, match="default connection"):
        await put([])


async def test_a_stream_without_a_finish_is_no_answer(put: Any) -> None:
    with pytest.raises(ModelUnavailable):
        await put([target(ScriptedClient(["half"], finish=False))])


async def test_the_time_limit_ends_a_call_and_closes_it(put: Any) -> None:
    client = ScriptedClient(["a", 30.0])

    with pytest.raises(ModelTimeout):
        await put([target(client)], timeout=0.05)

    assert client.closed == 1


async def test_cancelling_closes_the_stream(put: Any) -> None:
    client = ScriptedClient(["a", 30.0])
    task = asyncio.create_task(put([target(client)]))
    await client.spoke.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert client.closed == 1


async def test_a_watcher_that_is_too_slow_is_not_the_models_fault(asking: Any) -> None:
    async def on_text(text: str) -> None:
        raise TimeoutError("the watcher's own")

    client = ScriptedClient(["a"])

    with pytest.raises(TimeoutError, match="watcher"):
        await ask([target(client)], asking(), on_text=on_text)

    assert client.closed == 1


async def test_json_is_parsed_and_checked(put: Any) -> None:
    answer = await put([target(ScriptedClient(['Here:\n```json\n{"score": 7}\n```\n']))], schema=SCHEMA)

    assert answer.data == {"score": 7}


async def test_json_that_does_not_fit_is_asked_for_again(put: Any, shown: list[str]) -> None:
    client = ScriptedClient(['{"score": "high"}'], ["no idea"], ['{"score": 8}'])

    answer = await put([target(client, prices=(1.0, 1.0))], schema=SCHEMA, idempotency_key="run/n")

    assert answer.data == {"score": 8}
    assert (answer.input_tokens, answer.output_tokens) == (30, 15)
    assert answer.cost == pytest.approx(45 / 1_000_000)
    assert [len(request.messages) for request in client.requests] == [1, 3, 5]
    assert "score" in client.requests[1].messages[-1].content
    assert [request.idempotency_key for request in client.requests] == ["run/n", "run/n#2", "run/n#3"]
    assert "did not fit" in shown[1]
    assert shown[1].endswith("no idea")


async def test_after_two_more_tries_it_is_bad_output(put: Any) -> None:
    client, tally = ScriptedClient(["a"], ["b"], ["c"]), Tally()

    with pytest.raises(BadOutput, match="no valid JSON"):
        await put([target(client)], tally, schema=SCHEMA)

    assert tally.calls == 3
    assert tally.output_tokens == 15


async def test_a_schema_that_is_none_is_refused_before_any_call(put: Any) -> None:
    client = ScriptedClient(["{}"])

    with pytest.raises(ModelRefused, match="JSON Schema"):
        await put([target(client)], schema={"type": "nonsense"})

    assert client.requests == []


async def test_a_reference_to_elsewhere_is_never_fetched(put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: fetched.append(args))

    with pytest.raises(ModelRefused, match="refers"):
        await put([target(ScriptedClient(["{}"]))], schema={"$ref": "http://127.0.0.1:9/schema.json"})

    assert fetched == []


async def test_what_a_cut_answer_cost_is_estimated(put: Any) -> None:
    tally = Tally()

    with pytest.raises(ModelUnavailable):
        await put(
            [target(ScriptedClient(["one two three", ModelUnavailable("cut")]), prices=(1e6, 1e6))],
            tally,
            prompt="Say three words",
        )

    assert (tally.input_tokens, tally.output_tokens) == (3, 3)
    assert tally.cost == pytest.approx(6.0)


async def test_watchers_see_where_one_try_ends(put: Any, shown: list[str]) -> None:
    first, second = ScriptedClient(["half", ModelUnavailable("cut")]), ScriptedClient(["whole"])

    answer = await put([target(first), target(second)])

    assert answer.text == "whole"
    assert shown == ["half", "\n\n[m-1 did not finish: model_unavailable]\n\nwhole"]


async def test_nothing_is_said_about_a_try_that_showed_nothing(put: Any, shown: list[str]) -> None:
    await put([target(ScriptedClient([ModelUnavailable("down")])), target(ScriptedClient(["whole"]))])

    assert shown == ["whole"]


async def test_the_agents_instructions_and_defaults_are_used(put: Any) -> None:
    client = ScriptedClient(["a"], ["b"])
    agent = target(client, system="You are terse.", options={"temperature": 0.1, "max_tokens": 7})

    await put([agent], messages=(Message("system", "Answer in French."), Message("user", "Hi")))
    await put([agent], temperature=0.9)

    first, second = client.requests
    assert first.messages[0] == Message("system", "You are terse.\n\nAnswer in French.")
    assert (first.model, first.temperature, first.max_tokens) == ("m-1", 0.1, 7)
    assert second.messages[0] == Message("system", "You are terse.")
    assert second.temperature == 0.9


async def test_text_that_cannot_be_stored_is_mended(put: Any, shown: list[str]) -> None:
    client = ScriptedClient(["a\x00b \ud83d", "\ude00 \udc00", "\ud83d"])

    answer = await put([target(client)])

    assert answer.text == "ab 😀 \ufffd"
    assert "".join(shown) == answer.text


async def test_data_that_cannot_be_stored_is_mended(put: Any) -> None:
    answer = await put([target(ScriptedClient(['{"score": 1, "a\\u0000": "\\ud800"}']))], schema=SCHEMA)

    assert answer.data == {"score": 1, "a": "\ufffd"}


async def test_an_answer_without_end_is_stopped(put: Any) -> None:
    with pytest.raises(BadOutput, match="longer"):
        await put([target(ScriptedClient(["x" * 1_000_000] * 5))])


async def test_the_simulated_model_answers_a_structured_question(put: Any) -> None:
    client = SimulatedClient(Script(latency=0, tps=0))

    answer = await put(
        [target(client, "simulated-1")], prompt="Score 0-10:\nThe bridge is old.", schema=SCHEMA
    )

    assert isinstance(answer.data["score"], int)
    assert answer.cost == 0.0


async def test_scripted_answers_let_a_re_ask_be_tried(put: Any) -> None:
    client = SimulatedClient(Script(latency=0, tps=0))
    prompt = 'Score it. [[answer {"score": "x"}]]\n[[answer {"score": 3}]]'

    answer = await put([target(client, "simulated-1")], prompt=prompt, schema=SCHEMA)

    assert answer.data == {"score": 3}
