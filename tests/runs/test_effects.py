"""Effects that may happen once only: what is sent is not sent again unasked, whatever becomes of workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from apps.runs.actions import cancel_run, decide_effect, effects, start_run, upkeep
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Claim, Hold, Record
from apps.runs.dispatch import send_advance
from apps.runs.ledger import Effect
from apps.runs.models import NodeRun, Run, Worker
from orchestra.engine.compiler import find_problems
from orchestra.engine.outcome import Done
from orchestra.errors import Conflict, EffectUnknown, InvalidInput, NotPermitted
from tests.running import nodes_of, wait_for_end, wait_until
from tests.runs import functions_for_tests as functions
from workers import context

DEFINITION = """
orchestra: 1
nodes:
  pay:
    kind: tool
    effect: once
    timeout: {timeout}
    retry: {{max: 3, base: 0}}
    settings: {{tool: {tool}, arguments: {arguments}}}
  after: {{kind: transform, needs: [pay], settings: {{value: "{{{{ nodes.pay.output }}}}"}}}}
  instead: {{kind: transform, needs: [pay.error], settings: {{value: "{{{{ nodes.pay.error.code }}}}"}}}}
output: {{after: "{{{{ nodes.after.output }}}}", instead: "{{{{ nodes.instead.output }}}}"}}
"""


def paying(tool: str = "test_gate", arguments: str = "{key: pay}", timeout: float = 0.3) -> str:
    return DEFINITION.format(tool=tool, arguments=arguments, timeout=timeout)


@pytest.fixture(autouse=True)
def _fresh_functions() -> Any:
    functions.reset()
    yield
    for gate in functions.gates.values():
        gate.set()


def asked(workflow: Any, by: Any) -> Run:
    """Return a run whose node waits for a word about its effect: it was sent, and no answer came."""
    run = start_run(workflow=workflow, input={}, by=by)
    return wait_until(run, lambda fresh: nodes_of(fresh)["pay"].waiting_for == "effect")


def test_an_effect_that_is_confirmed_stands_in_the_ledger(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(paying("echo", "{value: 1}", 30))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    effect = run.effects.get()
    assert (run.status, effect.state, effect.path) == ("succeeded", "confirmed", "pay")
    assert effect.prepared_at <= effect.sent_at <= effect.settled_at


def test_silence_is_not_tried_again_but_asks_a_person(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    run = asked(publish_workflow(paying()), editor)

    wait_until(run, lambda fresh: fresh.status == "waiting")
    node = nodes_of(run)["pay"]
    assert (node.status, node.attempt, functions.calls["pay"]) == ("waiting", 1, 1)
    effect = run.effects.get()
    assert (effect.state, "No answer" in effect.reason) == ("unknown", True)
    event = run.events.get(type="node.waiting")
    assert (event.data["waiting_for"], event.data["reason"]) == ("effect", effect.reason)
    assert upkeep.release_due() + upkeep.end_due_waits() == 0


def test_it_happened_and_the_run_goes_on_with_the_result_that_was_told(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    run = asked(publish_workflow(paying()), editor)

    decide_effect(run=run, path="pay", decision="happened", output={"id": 7}, by=editor)

    run = wait_for_end(run)
    assert (run.status, run.output["after"], functions.calls["pay"]) == ("succeeded", {"id": 7}, 1)
    effect = run.effects.get()
    assert (effect.state, effect.decision, effect.decided_by) == ("confirmed", "happened", editor)
    with pytest.raises(Conflict):
        decide_effect(run=run, path="pay", decision="retry", by=editor)


def test_it_did_not_and_is_sent_again(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = asked(publish_workflow(paying(timeout=2)), editor)

    functions.gates["pay"].set()
    decide_effect(run=run, path="pay", decision="retry", by=editor)

    run = wait_for_end(run)
    assert (run.status, run.output["after"], functions.calls["pay"]) == ("succeeded", "pay", 2)
    assert run.effects.get().state == "confirmed"


def test_given_up_it_fails_as_its_edges_say(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = asked(publish_workflow(paying()), editor)

    decide_effect(run=run, path="pay", decision="give_up", by=editor)

    run = wait_for_end(run)
    assert (run.status, run.output) == ("succeeded", {"after": None, "instead": "effect_unknown"})
    assert functions.calls["pay"] == 1
    assert editor.name in nodes_of(run)["pay"].error["message"]


def test_a_refusal_did_not_happen_and_fails_without_a_question(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(paying("test_broken", "{key: pay}", 30))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.output["instead"] == "tool_failed"
    assert (run.effects.get().state, functions.calls["pay"]) == ("prepared", 1)


def test_a_node_whose_worker_was_lost_after_it_sent_is_not_repeated(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    run = start_run(workflow=publish_workflow(paying(timeout=60)), input={}, by=editor)
    wait_until(run, lambda _: functions.calls["pay"] == 1)
    Worker.objects.create(
        name="gone",
        queues="io",
        pool="t",
        slots=1,
        version="0",
        lost_at=timezone.now() - timedelta(seconds=1),
    )
    NodeRun.objects.filter(run=run, path="pay").update(worker="gone")

    assert upkeep.take_from_lost_workers() == 1

    run = wait_until(run, lambda fresh: nodes_of(fresh)["pay"].waiting_for == "effect")
    assert functions.calls["pay"] == 1
    assert "lost" in run.effects.get().reason
    functions.gates["pay"].set()
    wait_until(run, lambda fresh: fresh.effects.get().late_output == "pay")
    assert nodes_of(run)["pay"].status == "waiting"
    client = Client()
    client.force_login(editor)
    panel = client.get(f"/runs/{run.pk}/nodes/pay/").content.decode()
    assert "data-effect" in panel
    assert "&quot;pay&quot;" in panel

    answer = client.post(f"/runs/{run.pk}/nodes/pay/effect/", {"decision": "happened", "output": '"pay"'})

    assert answer["Location"].endswith("?node=pay")
    assert wait_for_end(run).output["after"] == "pay"


def test_a_database_that_is_away_for_a_moment_holds_an_effect_up_and_fails_nothing(
    worker: Any, publish_workflow: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def breaks_off(name: str, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            asked.append(name)
            answer = real(*arguments)
            if asked.count(name) == 1:
                raise OperationalError("The connection was lost, perhaps after the commit.")
            return answer

        return call

    monkeypatch.setattr(context, "DATABASE_PAUSE", 0.01)
    for name in ("prepare", "mark_sent"):
        monkeypatch.setattr(effects, name, breaks_off(name, getattr(effects, name)))
    workflow = publish_workflow(paying("echo", "{value: 1}", 30))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert (run.status, run.output["after"], run.effects.get().state) == ("succeeded", 1, "confirmed")
    assert asked == ["prepare", "prepare", "mark_sent", "mark_sent"]


def test_of_two_attempts_that_prepared_only_the_later_may_send(run_of_two: Run) -> None:
    run = str(run_of_two.pk)
    first, second = (effects.prepare(run, "pay", fence, "w").is_free for fence in (1, 2))

    assert (first, second) == (True, True)
    assert [effects.mark_sent(run, "pay", fence) for fence in (1, 2)] == [False, True]
    assert effects.mark_sent(run, "pay", 2), "whoever lost the answer asks again before anything is sent"
    assert effects.prepare(run, "pay", 3, "w").is_free is False


def test_a_confirmed_effect_is_not_sent_again_unasked(run_of_two: Run) -> None:
    run = str(run_of_two.pk)
    effects.prepare(run, "pay", 1, "w")
    effects.mark_sent(run, "pay", 1)
    effects.note_outcome(run, "pay", Done(1), timezone.now())

    again = effects.prepare(run, "pay", 2, "w")

    assert (again.is_free, "before" in again.reason) == (False, True)


def test_what_was_given_up_fails_once_and_is_asked_about_when_it_is_tried_again(run_of_two: Run) -> None:
    Effect.objects.create(run=run_of_two, path="pay", state="unknown", decision="give_up")

    with pytest.raises(EffectUnknown):
        effects.prepare(str(run_of_two.pk), "pay", 5, "w")

    again = effects.prepare(str(run_of_two.pk), "pay", 6, "w")
    assert (again.is_free, "gave it up" in again.reason) == (False, True)


@pytest.fixture
def run_of_two(db: None, publish_workflow: Any, editor: Any) -> Run:
    return start_run(workflow=publish_workflow(paying()), input={}, by=editor)


def test_a_decision_needs_a_question(run_of_two: Run, editor: Any, viewer: Any) -> None:
    with pytest.raises(Conflict):
        decide_effect(run=run_of_two, path="pay", decision="retry", by=editor)
    with pytest.raises(Conflict):
        decide_effect(run=run_of_two, path="nowhere", decision="retry", by=editor)
    with pytest.raises(InvalidInput):
        decide_effect(run=run_of_two, path="pay", decision="maybe", by=editor)
    with pytest.raises(NotPermitted):
        decide_effect(run=run_of_two, path="pay", decision="retry", by=viewer)
    cancel_run(run=run_of_two, by=editor)
    with pytest.raises(Conflict):
        decide_effect(run=run_of_two, path="pay", decision="happened", by=editor)


def waiting(run: Run) -> None:
    NodeRun.objects.filter(run=run, path="pay").update(status="waiting", waiting_for="effect")
    Run.objects.filter(pk=run.pk).update(status="waiting")
    Effect.objects.create(run=run, path="pay", state="unknown", reason="silence")


def test_the_api_tells_of_the_effect_and_takes_the_word_once(run_of_two: Run, editor: Any) -> None:
    client = Client()
    client.force_login(editor)
    url = f"/api/v1/runs/{run_of_two.pk}/nodes/pay/effect"
    assert client.get(url).status_code == 404
    waiting(run_of_two)

    told = client.get(url).json()
    answers = [
        client.post(url, {"decision": "happened", "output": [1]}, content_type="application/json")
        for _ in range(2)
    ]

    assert (told["state"], told["reason"], told["decision"]) == ("unknown", "silence", "")
    assert [answer.status_code for answer in answers] == [200, 409]
    assert (answers[0].json()["status"], answers[0].json()["output"]) == ("succeeded", [1])
    assert client.post(url, {"decision": "x"}, content_type="application/json").status_code in (400, 422)


def test_the_page_refuses_a_result_that_is_no_json(run_of_two: Run, editor: Any) -> None:
    waiting(run_of_two)
    client = Client()
    client.force_login(editor)

    client.post(f"/runs/{run_of_two.pk}/nodes/pay/effect/", {"decision": "happened", "output": "{"})

    assert nodes_of(run_of_two)["pay"].status == "waiting"


@pytest.mark.parametrize(
    ("node", "problems"),
    [
        ({"kind": "http", "settings": {"url": "https://a.example"}}, []),
        ({"kind": "llm", "settings": {"prompt": "x"}}, ["nodes.a.effect"]),
        ({"kind": "http", "settings": {"url": "https://a.example"}, "cache": 5}, ["nodes.a.cache"]),
    ],
)
def test_only_nodes_that_act_may_act_once(node: dict[str, Any], problems: list[str]) -> None:
    found = find_problems({"orchestra": 1, "nodes": {"a": {**node, "effect": "once"}}})

    assert [problem.path for problem in found] == problems


def test_a_result_that_came_too_late_is_kept_and_not_applied(run_of_two: Run) -> None:
    run = str(run_of_two.pk)
    book = FactBook()
    send_advance(run, 1)
    Run.objects.filter(pk=run).update(status="running")
    [held] = commit([Claim(run, "pay", 0)], worker="w", book=book)
    fence = held.claimed[0].fence
    effects.prepare(run, "pay", fence, "w")
    effects.mark_sent(run, "pay", fence)
    NodeRun.objects.filter(run=run, path="pay").update(fence=fence + 1)

    [late] = commit([Record(run, "pay", Hold({"pay": fence}), Done({"id": 1}))], worker="w", book=book)

    assert late.is_accepted is False
    assert Effect.objects.get().late_output == {"id": 1}
