"""Retrying: what succeeded is kept, what failed and all after it starts anew, and only one of two retries wins."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.runs import dispatch
from apps.runs.actions import cancel_run, limits, pause_run, retry_node, retry_run, start_run
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Applied, Claim, Hold, Operation, Record
from apps.runs.models import Run
from orchestra.engine.outcome import Done, Failed
from orchestra.errors import Conflict, NotPermitted
from tests.runs import functions_for_tests as functions

BROKEN = Failed({"code": "x", "message": "broken"})


@pytest.fixture(autouse=True)
def _fresh_functions() -> None:
    functions.reset()


@pytest.fixture
def do() -> Any:
    book = FactBook()

    def do_it(operation: Operation) -> Applied:
        return commit([operation], worker="w1", book=book)[0]

    return do_it


DIAMOND = """
orchestra: 1
nodes:
  a: {kind: function, settings: {name: noop}}
  b: {kind: function, needs: [a], settings: {name: noop}}
  c: {kind: function, needs: [a], settings: {name: noop}}
  d: {kind: function, needs: [b, c], settings: {name: noop}}
"""


def end(do: Any, run: Run, path: str, outcome: Any) -> int:
    """Claim a node and record how it ended; return the fence."""
    run.refresh_from_db()
    [claimed] = do(Claim(str(run.pk), path, run.epoch)).claimed
    assert do(Record(str(run.pk), path, Hold({path: claimed.fence}), outcome)).is_accepted
    return claimed.fence


def statuses(run: Run) -> dict[str, str]:
    return dict(run.node_runs.values_list("path", "status"))


@pytest.fixture
def failed(publish_workflow: Any, editor: Any, do: Any) -> Run:
    """A diamond whose `b` failed: `d` ran for `c` alone."""
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    do(Advance(str(run.pk)))
    for path, outcome in (("a", Done(1)), ("b", BROKEN), ("c", Done(3)), ("d", Done(4))):
        end(do, run, path, outcome)
    run.refresh_from_db()
    assert run.status == "failed"
    return run


def test_a_retry_keeps_what_succeeded_and_starts_the_failure_and_all_after_it_anew(
    failed: Run, do: Any, editor: Any
) -> None:
    retry_run(run=failed, by=editor)

    assert statuses(failed) == {"a": "succeeded", "b": "queued", "c": "succeeded", "d": "pending"}
    assert (failed.status, failed.epoch, failed.error, failed.finished_at) == ("running", 1, None, None)
    assert (failed.nodes_done, failed.nodes_total, failed.unsettled) == (2, 4, 2)
    join = failed.node_runs.get(path="d")
    assert (join.unsettled, join.live, join.is_decided, join.output) == (1, 1, False, None)
    resumed = failed.events.get(type="run.resumed")
    assert (resumed.data["reason"], resumed.data["nodes"], resumed.data["by"]) == (
        "retry",
        ["b"],
        editor.name,
    )

    end(do, failed, "b", Done(2))
    end(do, failed, "d", Done(5))
    failed.refresh_from_db()
    assert (failed.status, failed.nodes_done) == ("succeeded", 4)
    assert [a["status"] for a in failed.node_runs.get(path="b").attempts] == ["failed", "succeeded"]
    assert failed.node_runs.get(path="b").attempt == 2


def test_of_two_retries_the_second_is_a_conflict(failed: Run, editor: Any) -> None:
    retry_run(run=failed, by=editor)

    with pytest.raises(Conflict, match="running"):
        retry_run(run=Run.objects.get(pk=failed.pk), by=editor)


@pytest.fixture
def unsent(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit for real, but send no worker anything."""
    monkeypatch.setattr(dispatch, "publish", lambda *_names, **_arguments: None)


def test_two_retries_at_once_have_one_winner(unsent: None, failed: Run, editor: Any) -> None:
    barrier, answers = threading.Barrier(2), []

    def retry() -> None:
        run = Run.objects.select_related("workflow", "version").get(pk=failed.pk)
        barrier.wait(10)
        try:
            retry_run(run=run, by=editor)
            answers.append("won")
        except Conflict:
            answers.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=retry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    failed.refresh_from_db()
    assert sorted(answers) == ["conflict", "won"]
    assert failed.epoch == 1


def test_a_late_result_of_before_the_retry_is_refused(failed: Run, do: Any, editor: Any) -> None:
    node = failed.node_runs.get(path="b")

    retry_run(run=failed, by=editor)

    assert do(Record(str(failed.pk), "b", Hold({"b": node.fence}), Done("late"))).is_accepted is False
    [again] = do(Claim(str(failed.pk), "b", 1)).claimed
    assert do(Record(str(failed.pk), "b", Hold({"b": node.fence}), Done("late"))).is_accepted is False
    assert again.fence > node.fence


def test_messages_of_before_the_retry_claim_nothing(failed: Run, do: Any, editor: Any) -> None:
    retry_run(run=failed, by=editor)

    assert do(Claim(str(failed.pk), "b", 0)).claimed == ()
    assert len(do(Claim(str(failed.pk), "b", 1)).claimed) == 1


def test_one_node_is_retried_while_the_rest_of_the_run_goes_on(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    do(Advance(str(run.pk)))
    end(do, run, "a", Done(1))
    end(do, run, "b", BROKEN)
    [held] = do(Claim(str(run.pk), "c", 0)).claimed

    retry_node(run=run, node=run.node_runs.get(path="b"), by=editor)

    assert statuses(run) == {"a": "succeeded", "b": "queued", "c": "running", "d": "pending"}
    assert do(Record(str(run.pk), "c", Hold({"c": held.fence}), Done(3), follows=True, epoch=0)).is_accepted
    end(do, run, "b", Done(2))
    applied = do(Advance(str(run.pk)))
    assert [head.path for head in applied.dispatch.heads] == ["d"]
    assert not run.events.filter(type="run.resumed").exists()
    assert run.events.filter(type="node.queued", node="b", data__reason="retry").count() == 1


def test_what_an_older_canvas_was_to_bring_is_sent_anew(publish_workflow: Any, editor: Any, do: Any) -> None:
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    do(Advance(str(run.pk)))
    [held] = do(Claim(str(run.pk), "a", 0)).claimed
    Run.objects.filter(pk=run.pk).update(epoch=1)

    applied = do(Record(str(run.pk), "a", Hold({"a": held.fence}), Done(1), follows=True, keep="io", epoch=0))

    assert [head.path for head in applied.dispatch.heads] == ["b", "c"]


def test_a_node_that_did_not_fail_is_not_retried(failed: Run, editor: Any) -> None:
    with pytest.raises(Conflict, match="succeeded"):
        retry_node(run=failed, node=failed.node_runs.get(path="c"), by=editor)


def test_a_second_retry_of_a_node_is_a_conflict(failed: Run, editor: Any) -> None:
    node = failed.node_runs.get(path="b")
    retry_node(run=failed, node=node, by=editor)

    with pytest.raises(Conflict, match="queued"):
        retry_node(run=failed, node=node, by=editor)
    assert failed.status == "running"


def test_a_retry_of_a_node_in_a_paused_run_waits_for_the_resume(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    do(Advance(str(run.pk)))
    end(do, run, "a", Done(1))
    end(do, run, "b", BROKEN)
    pause_run(run=run, by=editor)

    retry_node(run=run, node=run.node_runs.get(path="b"), by=editor)

    assert (run.status, statuses(run)["b"]) == ("paused", "queued")
    assert do(Claim(str(run.pk), "b", 1)).claimed == ()


def test_a_cancelled_run_is_retried_as_a_whole_and_keeps_what_it_had(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    do(Advance(str(run.pk)))
    end(do, run, "a", Done(1))
    [held] = do(Claim(str(run.pk), "b", 0)).claimed
    cancel_run(run=run, by=editor)
    with pytest.raises(Conflict, match="whole run"):
        retry_node(run=run, node=run.node_runs.get(path="b"), by=editor)

    retry_run(run=run, by=editor)

    assert statuses(run) == {"a": "succeeded", "b": "queued", "c": "queued", "d": "pending"}
    assert do(Record(str(run.pk), "b", Hold({"b": held.fence}), Done("late"))).is_accepted is False
    assert [a["status"] for a in run.node_runs.get(path="b").attempts] == ["cancelled"]
    for path in "bcd":
        end(do, run, path, Done(path))
    run.refresh_from_db()
    assert run.status == "succeeded"


def test_a_run_that_was_cancelled_before_its_start_starts_anew(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)
    cancel_run(run=run, by=editor)

    retry_run(run=run, by=editor)

    assert (run.status, statuses(run)["a"]) == ("queued", "queued")
    do(Advance(str(run.pk)))
    run.refresh_from_db()
    assert run.status == "running"


def test_a_cancel_after_a_retry_stands(failed: Run, do: Any, editor: Any) -> None:
    retry_run(run=failed, by=editor)
    cancel_run(run=failed, by=editor)

    assert failed.status == "cancelled"
    assert do(Claim(str(failed.pk), "b", failed.epoch)).claimed == ()


def test_a_run_whose_output_alone_failed_is_not_retried(publish_workflow: Any, editor: Any, do: Any) -> None:
    workflow = publish_workflow(
        'orchestra: 1\nnodes: {a: {kind: function, settings: {name: noop}}}\noutput: "{{ nodes.a.output + 1 }}"\n'
    )
    run = start_run(workflow=workflow, input={}, by=editor)
    do(Advance(str(run.pk)))
    end(do, run, "a", Done({"not": "a number"}))
    run.refresh_from_db()
    assert run.status == "failed"

    with pytest.raises(Conflict, match="only its output"):
        retry_run(run=run, by=editor)


def test_who_only_looks_may_not_retry(failed: Run, viewer: Any) -> None:
    with pytest.raises(NotPermitted):
        retry_run(run=failed, by=viewer)
    with pytest.raises(NotPermitted):
        retry_node(run=failed, node=failed.node_runs.get(path="b"), by=viewer)


def test_a_run_that_ran_out_of_time_has_its_whole_time_again(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    workflow = publish_workflow(DIAMOND + "limits: {duration: 60}\n")
    run = start_run(workflow=workflow, input={}, by=editor)
    do(Advance(str(run.pk)))
    Run.objects.filter(pk=run.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert limits.end_overdue() == 1
    run.refresh_from_db()
    assert (run.status, statuses(run)["a"]) == ("failed", "cancelled")

    retry_run(run=run, by=editor)

    assert run.deadline_at > timezone.now() + timedelta(seconds=30)
    assert limits.end_overdue() == 0
