"""Approvals: decided once, by those who were asked, by as many as are needed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Membership, Role, Team, User
from apps.runs import live
from apps.runs.actions import cancel_run, decide_approval, start_run, upkeep
from apps.runs.models import Approval, Run
from orchestra.errors import Conflict, InvalidInput, NotPermitted, OrchestraError
from tests.running import nodes_of, wait_for_end, wait_until

FORM = "{type: object, required: [why], properties: {why: {type: string}}}"


@pytest.fixture
def ask(worker: Any, publish_workflow: Any, editor: User) -> Any:
    """Return a function that starts a run of one approval and returns it once it is open."""

    def ask_it(more: str = "") -> Approval:
        text = f"""
orchestra: 1
nodes:
  ask: {{kind: approval, settings: {{title: "Publish?"{more}}}}}
output: "{{{{ nodes.ask.output }}}}"
"""
        run = start_run(workflow=publish_workflow(text), input={}, by=editor)
        wait_until(run, lambda fresh: fresh.status in {"waiting", "failed"})
        assert run.error is None, run.error
        return Approval.objects.get(run=run)

    return ask_it


def types(run: Run) -> list[str]:
    return list(run.events.order_by("seq").values_list("type", flat=True))


def test_the_decision_is_the_output(ask: Any, editor: User) -> None:
    approval = ask()

    decided = decide_approval(approval=approval, decision="approved", by=editor, comment="Fine")

    run = wait_for_end(approval.run)
    assert run.output == {"decision": "approved", "by": "ada", "form": None, "comment": "Fine"}
    assert (decided.status, decided.decided_by) == ("approved", editor)
    assert types(run).count("approval.requested") == types(run).count("approval.decided") == 1


def test_a_second_decision_is_a_conflict(ask: Any, editor: User) -> None:
    approval = ask()
    decide_approval(approval=approval, decision="rejected", by=editor)

    with pytest.raises(Conflict):
        decide_approval(approval=approval, decision="approved", by=editor)

    assert wait_for_end(approval.run).output["decision"] == "rejected"


def test_of_many_at_once_one_decides(ask: Any, editor: User, make_user: Any, team: Team) -> None:
    approval = ask()
    people = [make_user(f"p{n}", team) for n in range(4)]
    said: list[str] = []

    def answer(person: User, decision: str) -> None:
        try:
            decide_approval(approval=Approval.objects.get(pk=approval.pk), decision=decision, by=person)
            said.append(decision)
        except OrchestraError as error:
            said.append(error.code)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=answer, args=(person, ["approved", "rejected"][n % 2]))
        for n, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(word == "conflict" for word in said) == [False, True, True, True]
    run = wait_for_end(approval.run)
    assert run.output["decision"] in said
    assert types(run).count("approval.decided") == 1


def test_a_quorum_counts_people(ask: Any, editor: User, make_user: Any, team: Team) -> None:
    grace = make_user("grace", team)
    approval = ask(", quorum: 2")

    decide_approval(approval=approval, decision="approved", by=editor)
    with pytest.raises(Conflict):
        decide_approval(approval=approval, decision="approved", by=editor)
    assert approval.status == "open"
    decide_approval(approval=approval, decision="approved", by=grace)

    assert wait_for_end(approval.run).output["by"] == "grace"
    assert approval.votes.count() == 2


def test_one_who_rejects_is_enough(ask: Any, editor: User, make_user: Any, team: Team) -> None:
    make_user("grace", team)
    approval = ask(", quorum: 2")

    decide_approval(approval=approval, decision="rejected", by=editor)

    assert wait_for_end(approval.run).output["decision"] == "rejected"


def test_the_form_is_checked_with_every_path(ask: Any, editor: User) -> None:
    approval = ask(f", form: {FORM}")

    with pytest.raises(InvalidInput) as caught:
        decide_approval(approval=approval, decision="approved", by=editor, form={"why": 3})
    with pytest.raises(InvalidInput):
        decide_approval(approval=approval, decision="approved", by=editor)

    assert [problem.path for problem in caught.value.problems] == ["form.why"]
    decide_approval(approval=approval, decision="approved", by=editor, form={"why": "because"})
    assert wait_for_end(approval.run).output["form"] == {"why": "because"}


@pytest.mark.parametrize(
    ("assignees", "may"),
    [
        ("", {"ada", "otto", "olga"}),
        (", assignees: [ada]", {"ada"}),
        (", assignees: ['user:vera']", {"vera"}),
        (", assignees: ['team:editors']", {"ada", "olga"}),
        (", assignees: ['team:viewer']", {"ada", "otto", "olga", "vera"}),
        (", assignees: ['team:legal']", {"lena"}),
        (", assignees: ['team:legal', otto]", {"lena", "otto"}),
    ],
)
def test_only_assignees_decide(
    ask: Any, editor: User, viewer: User, make_user: Any, team: Team, assignees: str, may: set[str]
) -> None:
    legal = Team.objects.create(name="Legal", slug="legal")
    people = [
        editor,
        viewer,
        make_user("otto", team, Role.OPERATOR),
        make_user("olga", team, Role.OWNER),
        make_user("lena", legal, Role.OPERATOR),
        make_user("leo", legal, Role.VIEWER),
    ]
    approval = ask(assignees)

    for person in people:
        if person.username not in may:
            with pytest.raises(NotPermitted):
                decide_approval(approval=approval, decision="approved", by=person)

    asked = {p.username for p in people if Approval.objects.for_decider(p).filter(pk=approval.pk).exists()}
    assert asked == may
    decide_approval(approval=approval, decision="approved", by=next(p for p in people if p.username in may))
    assert wait_for_end(approval.run).status == "succeeded"


def test_who_left_the_team_decides_no_more(ask: Any, editor: User) -> None:
    approval = ask(", assignees: [ada]")
    Membership.objects.filter(user=editor).delete()

    with pytest.raises(NotPermitted):
        decide_approval(approval=approval, decision="approved", by=User.objects.get(pk=editor.pk))


def test_an_approval_expires_once(ask: Any, editor: User) -> None:
    approval = ask(", expires: 3600, on_expiry: rejected")
    approval.run.node_runs.update(due_at=timezone.now() - timedelta(seconds=1))

    assert (upkeep.end_due_waits(), upkeep.end_due_waits()) == (1, 0)

    approval.refresh_from_db()
    assert approval.status == "expired"
    with pytest.raises(Conflict):
        decide_approval(approval=approval, decision="approved", by=editor)
    assert wait_for_end(approval.run).output == {
        "decision": "rejected",
        "by": None,
        "form": None,
        "comment": "",
    }


def test_a_cancelled_run_takes_its_questions_back(
    ask: Any, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = ask()
    heard: list[Any] = []
    monkeypatch.setattr(live, "broadcast", heard.extend)

    cancel_run(run=approval.run, by=editor)

    approval.refresh_from_db()
    assert approval.status == "withdrawn"
    told = approval.run.events.get(type="approval.withdrawn")
    assert (told.node, told.data["approval"]) == (approval.path, str(approval.pk))
    assert f"approvals:{approval.team_id}" in [topic for topic, _envelope in heard], "inboxes hear of it"
    with pytest.raises(Conflict):
        decide_approval(approval=approval, decision="approved", by=editor)


@pytest.mark.parametrize("more", [", assignees: [nobody]", ", assignees: ['team:nowhere']", ", quorum: 9"])
def test_a_question_to_nobody_fails_its_node(
    worker: Any, publish_workflow: Any, editor: User, more: str
) -> None:
    text = f"orchestra: 1\nnodes: {{ask: {{kind: approval, settings: {{title: x{more}}}}}}}"

    run = wait_for_end(start_run(workflow=publish_workflow(text), input={}, by=editor))

    assert nodes_of(run)["ask"].error["code"] == "nobody_to_decide"
