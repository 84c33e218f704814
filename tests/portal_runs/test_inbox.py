"""The inbox: what is asked of a person, with its form, and the count in the navigation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Membership, Role, Team, User
from apps.runs.actions import start_run
from apps.runs.models import Approval, NodeRun, Run

ASKS: dict[str, Any] = {
    "orchestra": 1,
    "nodes": {"ask": {"kind": "approval", "settings": {"title": "Publish?"}}},
}
FORM = {"type": "object", "required": ["why"], "properties": {"why": {"type": "string", "title": "Why so"}}}


@pytest.fixture
def approval(publish_workflow: Any, editor: User, team: Team) -> Approval:
    run = start_run(workflow=publish_workflow(ASKS), input={}, by=editor)
    Run.objects.filter(pk=run.pk).update(status="waiting")
    NodeRun.objects.filter(run=run).update(status="waiting", waiting_for="approval")
    return Approval.objects.create(
        team=team,
        run=run,
        path="ask",
        title="Publish <b>this</b>?",
        body="It is **good**.",
        form=FORM,
        role=Role.OPERATOR,
    )


def decide(client: Client, approval: Approval, **fields: str) -> Any:
    data = {f"{approval.pk}-{name}": value for name, value in fields.items() if name != "decision"}
    return client.post(f"/inbox/{approval.pk}/decide/", {**data, "decision": fields["decision"]})


def test_the_inbox_shows_what_is_asked_and_the_navigation_counts_it(
    client: Client, editor: User, approval: Approval
) -> None:
    client.force_login(editor)

    html = client.get("/inbox/").content.decode()

    assert "Publish &lt;b&gt;this&lt;/b&gt;?" in html
    assert "<strong>good</strong>" in html
    assert "Why so" in html
    assert re.search(r"data-inbox-count\s*>1<", html)


def test_the_page_follows_what_all_teams_of_the_person_are_asked(
    client: Client, editor: User, team: Team
) -> None:
    other = Team.objects.create(name="Readers", slug="readers")
    Team.objects.create(name="Strangers", slug="strangers")
    Membership.objects.create(user=editor, team=other, role=Role.OPERATOR)
    client.force_login(editor)

    html = client.get("/inbox/").content.decode()

    stream = re.search(r'data-inbox-stream="/api/v1/events/stream\?topics=([^"]*)"', html)
    assert stream is not None
    assert set(stream[1].split(",")) == {f"approvals:{one.pk}" for one in (team, other)}


def test_approving_sends_the_form(client: Client, editor: User, approval: Approval) -> None:
    client.force_login(editor)

    answer = decide(client, approval, decision="approved", **{"input-why": "because", "comment": "ok"})

    assert answer.status_code == 302
    vote = approval.votes.get()
    assert (vote.decision, vote.form, vote.comment) == ("approved", {"why": "because"}, "ok")
    assert "data-inbox-count" not in client.get("/inbox/").content.decode()


def test_rejecting_needs_no_form(client: Client, editor: User, approval: Approval) -> None:
    client.force_login(editor)

    decide(client, approval, decision="rejected")

    approval.refresh_from_db()
    assert approval.status == "rejected"


def test_what_is_missing_is_said_at_its_field(client: Client, editor: User, approval: Approval) -> None:
    client.force_login(editor)

    answer = decide(client, approval, decision="approved", comment="kept words")

    assert answer.status_code == 422
    assert "kept words" in answer.content.decode()
    assert "This field is required." in answer.content.decode()


def test_what_was_decided_meanwhile_is_said(client: Client, editor: User, approval: Approval) -> None:
    client.force_login(editor)
    Approval.objects.update(status="approved")

    answer = client.post(f"/inbox/{approval.pk}/decide/", {"decision": "rejected"}, follow=True)

    assert "decided already" in answer.content.decode()


def test_strangers_find_nothing(client: Client, make_user: Any, approval: Approval) -> None:
    other = Team.objects.create(name="Others", slug="others")
    client.force_login(make_user("mallory", other, Role.OWNER))

    assert decide(client, approval, decision="rejected").status_code == 404
    assert "Publish" not in client.get("/inbox/").content.decode()


def test_the_run_says_what_it_waits_for_and_leads_to_the_inbox(
    client: Client, editor: User, approval: Approval
) -> None:
    client.force_login(editor)

    for path in ("", "ending/"):
        html = client.get(f"/runs/{approval.run_id}/{path}").content.decode()
        card = html.partition("data-waits")[2].partition("</section>")[0]
        assert "It waits for somebody to decide." in card
        assert 'href="/inbox/"' in card


def test_a_run_that_goes_on_says_nothing_of_waiting(client: Client, editor: User, approval: Approval) -> None:
    Run.objects.update(status="running")
    client.force_login(editor)

    assert "data-waits" not in client.get(f"/runs/{approval.run_id}/").content.decode()
