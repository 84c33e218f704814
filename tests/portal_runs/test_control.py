"""The buttons of a run: pause, resume, retry; who sees them and what they do."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.runs.models import NodeRun, Run
from tests.portal_runs.markup import attributes_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def failed(run: Run) -> Run:
    NodeRun.objects.filter(run=run).update(status="skipped")
    error = {"code": "x", "message": "m", "hint": "h"}
    NodeRun.objects.filter(run=run, path="outline").update(status="failed", attempt=1, error=error)
    Run.objects.filter(pk=run.pk).update(
        status="failed", error=error, started_at=run.created_at, finished_at=run.created_at, unsettled=0
    )
    run.refresh_from_db()
    return run


def shown(client: Any, run: Run) -> set[str]:
    """Return the actions whose forms the page shows."""
    forms = attributes_of(client.get(f"/runs/{run.pk}/").content.decode(), "form")
    return {
        f["action"].split("/")[-2] for f in forms if f"/runs/{run.pk}/" in f["action"] and "hidden" not in f
    }


def test_the_page_offers_what_can_be_done_now(browse: Any, operator: User, run: Run) -> None:
    client = browse(operator)

    assert shown(client, run) == {"pause", "cancel"}
    client.post(f"/runs/{run.pk}/pause/")
    assert shown(client, run) == {"resume", "cancel"}
    client.post(f"/runs/{run.pk}/resume/")
    client.post(f"/runs/{run.pk}/cancel/")
    assert shown(client, run) == {"retry"}


def test_a_paused_run_says_so_on_its_page_and_in_the_list(browse: Any, operator: User, run: Run) -> None:
    client = browse(operator)
    client.post(f"/runs/{run.pk}/pause/")

    [main] = attributes_of(client.get(f"/runs/{run.pk}/").content.decode(), "main")
    rows = attributes_of(client.get("/runs/?status=open").content.decode(), "tr")

    assert main["data-run-status"] == "paused"
    assert [row["data-run-status"] for row in rows if "data-run-id" in row] == ["paused"]


def test_a_failed_run_is_retried_once(browse: Any, operator: User, failed: Run) -> None:
    client = browse(operator)

    first = client.post(f"/runs/{failed.pk}/retry/", headers={"Accept": "application/json"})
    second = client.post(f"/runs/{failed.pk}/retry/", headers={"Accept": "application/json"})

    assert (first.status_code, first.json()["status"]) == (200, "running")
    assert second.status_code == 409


def test_the_panel_of_a_failed_node_retries_it(
    browse: Any, operator: User, viewer: User, failed: Run
) -> None:
    client = browse(operator)
    place = f"/runs/{failed.pk}/nodes/outline/"
    assert f'action="{place}retry/"' in client.get(place).content.decode()
    assert f'action="{place}retry/"' not in browse(viewer).get(place).content.decode()

    answer = client.post(f"{place}retry/")

    assert answer["Location"] == f"/runs/{failed.pk}/"
    assert failed.node_runs.get(path="outline").status == "queued"
    assert f'action="{place}retry/"' not in client.get(place).content.decode()
    assert client.post(f"/runs/{failed.pk}/nodes/nowhere/retry/").status_code == 404


@pytest.mark.parametrize("action", ["pause", "resume", "retry", "nodes/outline/retry"])
def test_strangers_and_viewers_can_do_none_of_it(
    browse: Any, stranger: User, viewer: User, run: Run, action: str
) -> None:
    assert browse(stranger).post(f"/runs/{run.pk}/{action}/").status_code == 404
    assert browse(viewer).post(f"/runs/{run.pk}/{action}/").status_code == 403
    assert shown(browse(viewer), run) == set()


def test_a_fork_from_a_node_leads_to_the_new_run_and_both_pages_name_the_other(
    browse: Any, operator: User, run: Run
) -> None:
    NodeRun.objects.filter(run=run, path="outline").update(
        status="succeeded", ports=["out"], output={"text": "x"}
    )
    client = browse(operator)
    assert f'action="/runs/{run.pk}/fork/"' in client.get(f"/runs/{run.pk}/nodes/outline/").content.decode()

    answer = client.post(f"/runs/{run.pk}/fork/", {"from": "views"})

    fork = Run.objects.exclude(pk=run.pk).get()
    assert answer["Location"] == f"/runs/{fork.pk}/"
    assert fork.node_runs.get(path="outline").is_reused
    assert f'data-forked-from="{run.pk}"' in client.get(f"/runs/{fork.pk}/").content.decode()
    assert f'data-fork="{fork.pk}"' in client.get(f"/runs/{run.pk}/").content.decode()
    panel = client.get(f"/runs/{fork.pk}/nodes/outline/").content.decode()
    assert f'href="/runs/{run.pk}/nodes/outline/"' in panel


def test_a_fork_from_nowhere_says_so(browse: Any, operator: User, stranger: User, run: Run) -> None:
    client = browse(operator)

    answer = client.post(f"/runs/{run.pk}/fork/", {"from": "nowhere"}, follow=True)

    assert "nowhere" in answer.content.decode()
    assert browse(stranger).post(f"/runs/{run.pk}/fork/").status_code == 404
    assert Run.objects.count() == 1


def test_the_start_form_offers_to_take_results_over(browse: Any, operator: User, run: Run) -> None:
    client = browse(operator)
    NodeRun.objects.filter(run=run, path="outline").update(status="succeeded", ports=["out"], output={})
    form = client.get(f"/workflows/review/start/?from={run.pk}").content.decode()
    assert f'name="reuse" value="{run.pk}"' in " ".join(form.split())
    assert 'name="reuse"' not in client.get("/workflows/review/start/").content.decode()

    client.post(
        "/workflows/review/start/",
        {
            **{f"input-{name}": value for name, value in run.input.items()},
            "priority": "1",
            "reuse": str(run.pk),
        },
    )

    fork = Run.objects.exclude(pk=run.pk).get()
    assert (fork.forked_from, fork.origin) == (run, "portal")
    assert fork.node_runs.get(path="outline").is_reused


def test_ticked_runs_are_paused_resumed_and_retried_together(
    browse: Any, operator: User, viewer: User, run: Run
) -> None:
    client = browse(operator)
    found = []
    for action in ("pause", "resume", "cancel", "retry"):
        client.post("/runs/bulk/", {"action": action, "id": str(run.pk)})
        run.refresh_from_db()
        found.append(run.status)

    assert found == ["paused", "queued", "cancelled", "queued"]
    refused = client.post("/runs/bulk/", {"action": "resume", "id": str(run.pk)}, follow=True)
    assert "1 run is not in a state that allows this." in refused.content.decode()
    assert client.post("/runs/bulk/", {"action": "explode", "id": str(run.pk)}).status_code == 400
    browse(viewer).post("/runs/bulk/", {"action": "cancel", "id": str(run.pk)})
    run.refresh_from_db()
    assert run.status == "queued"
