"""The commands around workflows: `validate`, `plan`, `run`, `control`, `seed`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rich.console import Console

from apps.accounts.models import Team, User
from apps.portal import follow as following
from apps.portal.follow import Board, follow
from apps.portal.management.starting import input_from
from apps.portal.seeding import seed
from apps.runs.actions import start_run
from apps.runs.models import Run
from apps.workflows.models import Workflow
from orchestra.engine.codec import plan_from_json

BRIEF = Path(__file__).parents[2] / "samples" / "brief.yaml"
BROKEN = """\
orchestra: 1
name: Broken
nodes:
  a:
    kind: transform
    needs: [nowhere]
    settings: {value: 1}
"""


def call(name: str, *arguments: Any, **options: Any) -> tuple[int, str, str]:
    """Return the exit code of a command, what it wrote and what it complained about."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err, no_color=True, **options)
    except SystemExit as ending:
        return int(ending.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", ["validate", "plan", "run", "control", "seed"])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        call_command(name, "--help")

    assert ending.value.code == 0
    assert len(capsys.readouterr().out) > 400


# validate -----------------------------------------------------------------------------------------


def test_a_good_file_is_valid():
    code, out, _ = call("validate", str(BRIEF))

    assert code == 0
    assert "valid, 7 nodes" in out


def test_every_problem_is_listed_with_its_line_and_path(tmp_path: Path):
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)

    code, out, _ = call("validate", str(file))

    assert code == 1
    assert "line 6" in out
    assert "nodes.a.needs[0]" in out


def test_problems_as_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BROKEN.encode())))

    code, out, _ = call("validate", "-", "--json")

    assert code == 1
    body = json.loads(out)
    assert body["valid"] is False
    assert (body["problems"][0]["path"], body["problems"][0]["line"]) == ("nodes.a.needs[0]", 6)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_a_wrong_call(tmp_path: Path, content: bytes | None):
    file = tmp_path / "file.yaml"
    if content is not None:
        file.write_bytes(content)

    code, _, err = call("validate", str(file))

    assert code == 2
    assert str(file) in err


# plan ---------------------------------------------------------------------------------------------


def test_a_plan_is_shown_as_text_tree_and_graph():
    text, tree, dot = (
        call("plan", str(BRIEF))[1],
        call("plan", str(BRIEF), "--json")[1],
        call("plan", str(BRIEF), "--dot")[1],
    )

    assert text.startswith("Plan: 7 nodes")
    assert json.loads(tree)["counts"]["nodes"] == 7
    assert dot.startswith("digraph")


def test_the_unit_size_decides_how_much_goes_into_one_canvas():
    alone = json.loads(call("plan", str(BRIEF), "--json", "--unit-size", "1")[1])["counts"]
    together = json.loads(call("plan", str(BRIEF), "--json", "--unit-size", "32")[1])["counts"]

    assert alone["units"] == alone["tasks"] == together["tasks"]
    assert together["units"] < alone["units"]


def test_what_cannot_be_compiled_has_no_plan(tmp_path: Path):
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)

    code, out, err = call("plan", str(file))

    assert (code, out) == (1, "")
    assert "nodes.a.needs[0]" in err
    assert call("plan", str(BRIEF), "--unit-size", "0")[0] == 2


# seed ---------------------------------------------------------------------------------------------


def test_seeding_makes_things_to_play_with_and_the_second_time_nothing(db: None):
    first = json.loads(call("seed", "--json")[1])
    second = json.loads(call("seed", "--json")[1])

    assert {"person editor (editor)", "connection simulated", "agent writer", "workflow brief"} <= set(
        first["made"]
    )
    assert Workflow.objects.get(slug="brief").published is not None
    assert second["made"] == []
    assert second["passwords"] == {}
    assert second["team"] == first["team"]


def test_seeded_passwords_are_random_work_and_are_shown_once(db: None, client: Client):
    _, out, _ = call("seed")
    password = next(line.split()[1] for line in out.splitlines() if line.strip().startswith("editor "))

    assert len(password) >= 16
    assert client.login(username="editor", password=password)
    assert password not in call("seed")[1]


def test_seeding_leaves_what_people_changed(db: None):
    seeded = seed()
    workflow = Workflow.objects.get(slug="brief")
    Workflow.objects.update(name="Mine")
    User.objects.filter(username="viewer").update(display_name="Vera")

    seed()

    workflow.refresh_from_db()
    assert workflow.name == "Mine"
    assert User.objects.get(username="viewer").display_name == "Vera"
    assert workflow.versions.count() == 1
    assert seeded.team.memberships.count() == 4


# run ----------------------------------------------------------------------------------------------


def test_a_run_is_started_in_the_name_of_the_owner_or_of_whom_is_named(
    workflow: Workflow, operator: User, tmp_path: Path
):
    file = tmp_path / "input.json"
    file.write_text('{"name": "Ada", "times": 2}')

    code, out, _ = call(
        "run", "greeting", "--input", str(file), "--json", "--tag", "nightly", "--priority", "2"
    )
    other = json.loads(call("run", "greeting", "--input", str(file), "--json", "--user", "otto")[1])

    assert code == 0
    started = json.loads(out)
    assert started["input"] == {"name": "Ada", "times": 2}
    assert (started["trigger"], started["tags"], started["priority"]) == ("command", ["nightly"], 2)
    assert (started["started_by"], other["started_by"]) == ("ada", "otto")


def test_plain_text_goes_into_the_one_text_input(workflow: Workflow, tmp_path: Path):
    file = tmp_path / "name.txt"
    file.write_text("Ada\n")

    code, out, _ = call("run", "greeting", "--input", str(file))

    assert code == 0
    run = Run.objects.get()
    assert run.input["name"] == "Ada\n"
    assert str(run.pk) in out


@pytest.mark.parametrize(
    ("inputs", "text", "given"),
    [
        ({"properties": {"a": {"type": "string"}}}, "x", {"a": "x"}),
        (
            {"required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
            "x",
            {"b": "x"},
        ),
        ({"properties": {"a": {"type": "string"}}}, "[1]", {"a": "[1]"}),
        ({"properties": {"a": {"type": "string"}}}, '{"a": 1}', {"a": 1}),
        ({}, None, {}),
    ],
)
def test_what_a_text_means_follows_from_the_inputs(
    inputs: dict[str, Any], text: str | None, given: dict[str, Any]
):
    assert input_from(text, inputs) == given


@pytest.mark.parametrize("inputs", [{}, {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}])
def test_a_text_that_could_go_anywhere_is_a_wrong_call(inputs: dict[str, Any]):
    with pytest.raises(CommandError) as caught:
        input_from("x", inputs)

    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["greeting"],
        ["greeting", "--team", "others"],
        ["greeting", "--run-version", "9"],
        ["greeting", "--input", "no/such/file"],
    ],
)
def test_a_wrong_call_starts_nothing_and_says_why(workflow: Workflow, arguments: list[str]):
    code, _, err = call("run", *arguments)

    assert code == 2
    assert err
    assert not Run.objects.exists()


def test_a_name_that_two_teams_use_needs_the_team(workflow: Workflow, editor: User):
    other = Team.objects.create(name="Others", slug="others")
    Workflow.objects.create(team=other, name="Greeting", slug="greeting")

    code, _, err = call("run", "greeting")

    assert code == 2
    assert "others, writers" in err


def test_following_a_run_ends_with_its_result(worker: Any, workflow: Workflow, tmp_path: Path):
    file = tmp_path / "input.json"
    file.write_text('{"name": "Ada"}')

    code, out, _ = call("run", "greeting", "--input", str(file), "--follow")

    assert code == 0
    assert "Run 1 of greeting succeeded" in out
    assert "HELLO ADA" in out


def test_following_as_json_prints_the_run_as_it_ended(worker: Any, workflow: Workflow, tmp_path: Path):
    file = tmp_path / "input.json"
    file.write_text('{"name": "Ada"}')

    code, out, _ = call("run", "greeting", "--input", str(file), "--follow", "--json")

    assert code == 0
    assert json.loads(out)["output"] == {"text": "HELLO ADA"}


FAILING = {
    "orchestra": 1,
    "name": "Failing",
    "nodes": {"count": {"kind": "function", "settings": {"name": "fibo", "arguments": {"n": 99999}}}},
}


def test_a_run_that_fails_is_exit_code_one_with_the_reason(worker: Any, publish_workflow: Any):
    publish_workflow(FAILING, name="Failing")

    code, out, _ = call("run", "failing", "--follow")

    assert code == 1
    assert "Run 1 of failing failed" in out
    assert "count: fibo failed" in out or "count: n must be between" in out


def test_an_interrupted_follower_leaves_the_run_alone(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following.time, "sleep", interrupt)
    file = tmp_path / "input.json"
    file.write_text('{"name": "Ada"}')

    code, _, _ = call("run", "greeting", "--input", str(file), "--follow")

    assert code == 130
    assert Run.objects.get().status == "queued"


def test_a_terminal_gets_a_bar_per_node(worker: Any, workflow: Workflow, tmp_path: Path):
    file = tmp_path / "input.json"
    file.write_text('{"name": "Ada"}')
    call("run", "greeting", "--input", str(file))
    screen = io.StringIO()

    run = follow(Run.objects.get(), Console(file=screen, force_terminal=True, width=100))

    assert run.status == "succeeded"
    assert "shout" in screen.getvalue()
    assert "1/1" in screen.getvalue()


def test_a_board_counts_the_items_of_a_map(publish_workflow: Any):
    board = Board(plan_from_json(publish_workflow(BRIEF.read_text(), name="Brief").published.plan))

    board.take("node.started", "summaries", {"attempt": 1})
    board.take("node.waiting", "summaries", {"items": 3})
    board.take("node.succeeded", "summaries[0].summarise", {})
    board.take("node.succeeded", "summaries[0]", {})
    board.take("node.failed", "summaries[1]", {})

    line = board.lines["summaries"]
    assert (line.status, line.done, line.total) == ("running", 2, 3)
    assert board.take("run.started", "", {}) is None


# control ------------------------------------------------------------------------------------------


def test_runs_are_paused_resumed_and_cancelled_by_number_or_id(workflow: Workflow, editor: User):
    first, second = (start_run(workflow=workflow, input={"name": "Ada"}, by=editor) for _ in range(2))
    name = f"{workflow.slug}#{first.number}"

    told = [call("control", action, name) for action in ("pause", "resume", "cancel")]

    assert [code for code, _out, _err in told] == [0, 0, 0]
    assert told[0][1] == f"{name} is paused\n"
    assert Run.objects.get(pk=first.pk).status == "cancelled"
    code, out, _ = call("control", "cancel", str(first.pk), str(second.pk), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, [one["error"] for one in answers]) == (1, ["conflict", None])
    assert Run.objects.get(pk=second.pk).status == "cancelled"


def test_control_needs_runs_that_exist_and_somebody_who_may(workflow: Workflow, editor: User, viewer: User):
    run = start_run(workflow=workflow, input={"name": "Ada"}, by=editor)

    assert call("control", "cancel", f"{workflow.slug}#99")[0] == 2
    assert call("control", "cancel", "nonsense")[0] == 2
    code, out, _ = call("control", "cancel", str(run.pk), "--user", viewer.username)

    assert (code, Run.objects.get(pk=run.pk).status) == (1, "queued")
    assert "is queued: " in out
