"""Problems at their lines, and texts compared."""

from __future__ import annotations

from apps.workflows.actions import check, read_text
from apps.workflows.remarks import compare, remarks

TEXT = """\
orchestra: 1
name: Sample
nodes:
  one:
    kind: llm
    settings:
      prompt: "{{ inputs.nothing.at.all"
  two:
    kind: nope
    needs:
      - one
      - three
output: {text: 1}
"""


def problem(path: str, message: str = "Wrong.") -> dict[str, str]:
    return {"path": path, "code": "x", "message": message}


def test_a_problem_stands_at_the_line_of_its_path() -> None:
    found = remarks(TEXT, [problem("nodes.two.needs[1]"), problem("nodes.one.settings.prompt")])

    assert [remark.line for remark in found] == [7, 12]


def test_a_path_that_is_not_there_stands_at_what_is_around_it() -> None:
    found = remarks(TEXT, [problem("nodes.two.settings.url"), problem("limits.cost"), problem("")])

    assert {remark.path: remark.line for remark in found} == {
        "nodes.two.settings.url": 8,
        "limits.cost": None,
        "": None,
    }


def test_a_line_that_the_message_names_is_taken_from_it() -> None:
    [found] = remarks("a: [", [problem("", "Line 3: This is not YAML.")])

    assert (found.line, found.message) == (3, "This is not YAML.")


def test_every_problem_of_a_real_check_finds_its_line() -> None:
    definition, _none = read_text(TEXT)
    problems, _plan = check(definition or {})

    found = remarks(TEXT, [p.as_json() for p in problems])

    by_path = {remark.path: remark.line for remark in found}
    assert by_path["nodes.one.settings.prompt"] == 7
    assert by_path["nodes.two.kind"] == 9
    assert all(remark.line for remark in found)


def test_equal_texts_have_no_difference() -> None:
    assert compare("a\nb\n", "a\nb") == []


def test_a_changed_line_is_one_removed_and_one_added_with_what_stands_around() -> None:
    before = "\n".join(f"line {i}" for i in range(1, 31))
    after = before.replace("line 15", "line fifteen")

    rows = compare(before, after)

    assert [(r.change, r.before, r.after, r.text) for r in rows if r.change not in {"same", "gap"}] == [
        ("removed", 15, None, "line 15"),
        ("added", None, 15, "line fifteen"),
    ]
    assert rows[0].change == "gap"
    assert next(r.text for r in rows if r.change == "same") == "line 11"
