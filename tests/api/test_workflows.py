"""Workflows over HTTP, from a definition to an export."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import Membership, Role, Team, User
from apps.workflows.models import Workflow

WORKFLOWS = "/api/v1/workflows"

YAML = """\
# A comment that stays
orchestra: 1
name: From a file
nodes:
  hello:
    kind: transform
    settings: {value: "你好"}
output: "{{ nodes.hello.output }}"
"""


def test_a_definition_becomes_a_workflow_with_a_draft(api: APIClient, definition: dict[str, Any]):
    answer = api.post(WORKFLOWS, {"name": "Déjà vu", "definition": definition}, format="json")

    assert answer.status_code == 201, answer.json()
    assert answer.json()["slug"] == "deja-vu"
    assert answer.json()["version"] is None
    assert answer.json()["has_problems"] is False
    draft = api.get(answer.headers["Location"] + "/draft")
    assert draft.json()["definition"] == definition
    assert draft.headers["ETag"] == '"1"'


def test_a_broken_definition_is_refused_with_every_problem_and_its_path(
    api: APIClient, broken: dict[str, Any]
):
    answer = api.post(WORKFLOWS, {"definition": broken}, format="json")

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_workflow"
    paths = {problem["path"] for problem in answer.json()["problems"]}
    assert {"nodes.first.needs[0]", "nodes.second.kind"} <= paths
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(
    "definition", [[], "text", 7, None, {"nodes": []}, {"orchestra": 1, "nodes": {"a": 3}}]
)
def test_no_nonsense_in_the_place_of_a_definition_is_a_server_error(api: APIClient, definition: Any):
    answer = api.post(WORKFLOWS, {"name": "Odd", "definition": definition}, format="json")

    assert answer.status_code in {400, 422}
    assert answer.json()["problems"]
    assert not Workflow.objects.exists()


def test_a_workflow_needs_no_definition_to_begin(api: APIClient):
    answer = api.post(WORKFLOWS, {"name": "Blank"}, format="json")

    assert answer.status_code == 201
    assert answer.json()["has_problems"] is False


def test_names_without_latin_letters_get_a_numbered_short_name(api: APIClient, definition: dict[str, Any]):
    made = [
        api.post(WORKFLOWS, {"name": name, "definition": definition}, format="json").json()["slug"]
        for name in ("审阅摘要", "另一个")
    ]

    assert made == ["workflow", "workflow-2"]


@pytest.mark.parametrize("name", ["Validate", "import", "New"])
def test_words_that_the_urls_use_are_no_short_names(api: APIClient, name: str):
    slug = api.post(WORKFLOWS, {"name": name}, format="json").json()["slug"]

    assert slug.startswith(f"{name.lower()}-")
    assert api.get(f"{WORKFLOWS}/{slug}").status_code == 200
    refused = api.post(WORKFLOWS, {"name": "x", "slug": name.lower()}, format="json")
    assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, "reserved")


def test_a_short_name_that_is_taken_is_a_conflict(api: APIClient, workflow: Workflow):
    answer = api.post(WORKFLOWS, {"name": "Other", "slug": workflow.slug}, format="json")

    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"


def test_unknown_fields_are_named_and_nothing_is_made(api: APIClient):
    answer = api.post(WORKFLOWS, {"name": "x", "owner": "me", "id": "1", "team": "others"}, format="json")

    assert answer.status_code == 400
    found = {problem["path"]: problem["code"] for problem in answer.json()["problems"]}
    assert found == {"owner": "unknown_field", "id": "unknown_field", "team": "unknown_field"}
    assert not Workflow.objects.exists()


def test_the_list_is_searched_and_filtered_by_tag(api: APIClient):
    for name, tags in (("Brief", ["写作", "daily"]), ("Digest", ["daily"]), ("Score 100%", [])):
        api.post(WORKFLOWS, {"name": name, "tags": tags}, format="json")

    def names(query: str) -> set[str]:
        return {row["name"] for row in api.get(f"{WORKFLOWS}?{query}").json()["results"]}

    assert names("") == {"Brief", "Digest", "Score 100%"}
    assert names("q=DIG") == {"Digest"}
    assert names("q=%25") == {"Score 100%"}
    assert names("tag=daily") == {"Brief", "Digest"}
    assert names("tag=写作") == {"Brief"}
    assert names("tag=dai") == set()
    assert names("tag=') OR 1=1 --") == set()


def test_a_change_with_an_old_tag_is_refused(api: APIClient, workflow: Workflow):
    url = f"{WORKFLOWS}/{workflow.slug}"
    before = api.get(url).headers["ETag"]

    first = api.patch(url, {"name": "Renamed"}, format="json", headers={"If-Match": before})
    second = api.patch(url, {"name": "Lost"}, format="json", headers={"If-Match": before})

    assert first.status_code == 200
    assert first.headers["ETag"] != before
    assert second.status_code == 412
    assert second.json()["code"] == "stale_revision"
    assert api.get(url).json()["name"] == "Renamed"


def test_an_unchanged_workflow_needs_no_second_answer(api: APIClient, workflow: Workflow):
    url = f"{WORKFLOWS}/{workflow.slug}"
    tag = api.get(url).headers["ETag"]

    again = api.get(url, headers={"If-None-Match": tag})

    assert again.status_code == 304
    assert not again.content


def test_a_saved_draft_is_not_yet_published(api: APIClient, workflow: Workflow, definition: dict[str, Any]):
    changed = {**definition, "name": "Greeting anew"}
    url = f"{WORKFLOWS}/{workflow.slug}"
    tag = api.get(f"{url}/draft").headers["ETag"]

    saved = api.put(f"{url}/draft", {"definition": changed}, format="json", headers={"If-Match": tag})

    assert saved.status_code == 200
    assert saved.json()["definition"]["name"] == "Greeting anew"
    assert api.get(f"{url}/versions/1").json()["definition"]["name"] == "Greeting"
    stale = api.put(f"{url}/draft", {"definition": definition}, format="json", headers={"If-Match": tag})
    assert stale.status_code == 412
    assert api.get(f"{url}/draft").json()["definition"]["name"] == "Greeting anew"


def test_a_draft_with_problems_is_refused_and_the_old_one_stays(
    api: APIClient, workflow: Workflow, broken: dict[str, Any], definition: dict[str, Any]
):
    url = f"{WORKFLOWS}/{workflow.slug}/draft"

    answer = api.put(url, {"definition": broken}, format="json")

    assert answer.status_code == 422
    assert len(answer.json()["problems"]) >= 2
    assert api.get(url).json()["definition"] == definition


def test_a_draft_is_either_a_definition_or_a_text(api: APIClient, workflow: Workflow):
    url = f"{WORKFLOWS}/{workflow.slug}/draft"

    both = api.put(url, {"definition": {}, "text": "x"}, format="json")
    neither = api.put(url, {}, format="json")

    assert [both.status_code, neither.status_code] == [400, 400]
    assert neither.json()["problems"][0] == {
        "path": "definition",
        "code": "required",
        "message": "This field is required.",
    }


def test_archiving_hides_a_workflow_and_can_be_undone(api: APIClient, workflow: Workflow):
    url = f"{WORKFLOWS}/{workflow.slug}"

    assert api.delete(url).status_code == 204
    assert api.delete(url).status_code == 204
    assert api.get(WORKFLOWS).json()["results"] == []
    assert [row["slug"] for row in api.get(f"{WORKFLOWS}?archived=true").json()["results"]] == [workflow.slug]
    assert api.patch(url, {"name": "x"}, format="json").status_code == 409
    assert api.post(f"{url}/runs", {"input": {"name": "x"}}, format="json").status_code == 409

    back = api.patch(url, {"is_archived": False, "name": "Back"}, format="json")
    assert back.status_code == 200
    assert back.json()["archived_at"] is None
    assert back.json()["name"] == "Back"


def test_validating_tells_all_problems_with_their_lines_and_saves_nothing(api: APIClient):
    text = "orchestra: 1\nnodes:\n  first:\n    kind: transform\n    needs: [nowhere]\n    settings: {value: 1}\n"

    answer = api.post(f"{WORKFLOWS}/validate", {"text": text}, format="json")

    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert answer.json()["plan"] is None
    [problem] = [one for one in answer.json()["problems"] if one["path"].startswith("nodes.first")]
    assert problem["line"] == 5
    assert not Workflow.objects.exists()


def test_validating_something_good_shows_its_plan(api: APIClient, definition: dict[str, Any]):
    answer = api.post(f"{WORKFLOWS}/validate", {"definition": definition}, format="json")

    assert answer.json()["valid"] is True
    assert answer.json()["problems"] == []
    assert answer.json()["plan"]["counts"]["nodes"] == 2


def test_text_that_is_no_yaml_is_a_problem_of_the_definition(api: APIClient):
    answer = api.post(f"{WORKFLOWS}/validate", {"text": "a: [1, 2"}, format="json")

    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert answer.json()["problems"]


def test_yaml_goes_in_and_comes_out_as_it_was(api: APIClient):
    answer = api.generic("POST", f"{WORKFLOWS}/import", YAML.encode(), content_type="application/yaml")

    assert answer.status_code == 201, answer.json()
    assert answer.json()["name"] == "From a file"
    exported = api.get(f"{WORKFLOWS}/{answer.json()['slug']}/export")
    assert exported.headers["Content-Type"].startswith("application/yaml")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="from-a-file.yaml"'
    assert exported.content.decode() == YAML


def test_a_definition_that_came_as_json_is_exported_as_yaml_that_means_the_same(
    api: APIClient, workflow: Workflow, definition: dict[str, Any]
):
    exported = api.get(f"{WORKFLOWS}/{workflow.slug}/export?version=1").content.decode()

    again = api.post(f"{WORKFLOWS}/import", {"text": exported, "slug": "copy"}, format="json")

    assert again.status_code == 201
    assert api.get(f"{WORKFLOWS}/copy/draft").json()["definition"] == definition


@pytest.mark.parametrize("version", ["9", "0", "x", "-1", "²", "99999999999999999999"])
def test_there_is_no_export_of_a_version_that_does_not_exist(
    api: APIClient, workflow: Workflow, version: str
):
    answer = api.get(f"{WORKFLOWS}/{workflow.slug}/export", {"version": version})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "not_found"


def test_an_import_without_a_definition_is_refused(api: APIClient):
    assert api.post(f"{WORKFLOWS}/import", {"name": "Nothing"}, format="json").status_code == 422


def test_yaml_that_would_make_objects_makes_nothing(api: APIClient, tmp_path: Any):
    marker = tmp_path / "marker"
    text = f"orchestra: 1\nname: !!python/object/apply:os.system ['touch {marker}']\n"

    answer = api.generic("POST", f"{WORKFLOWS}/import", text.encode(), content_type="application/yaml")

    assert answer.status_code == 422
    assert not marker.exists()


def test_the_names_of_the_requirements_answer_too(api: APIClient, definition: dict[str, Any]):
    made = api.post("/api/v1/processes/definitions", {"definition": definition}, format="json")

    assert made.status_code == 201
    listed = api.get("/api/v1/processes/definitions").json()["results"]
    assert [row["slug"] for row in listed] == [made.json()["slug"]]


def test_a_person_in_two_teams_says_which_one_is_meant(api: APIClient, editor: User, workflow: Workflow):
    second = Team.objects.create(name="Second", slug="second")
    Membership.objects.create(user=editor, team=second, role=Role.EDITOR)

    made = api.post(f"{WORKFLOWS}?team=second", {"name": "Greeting"}, format="json")

    assert made.json()["slug"] == "greeting"
    assert made.json()["id"] != str(workflow.pk)
    assert api.get(f"{WORKFLOWS}/greeting").json()["id"] == str(workflow.pk)
    assert api.get(f"{WORKFLOWS}/greeting", headers={"X-Team": "second"}).json()["id"] == made.json()["id"]
    assert api.get(f"{WORKFLOWS}/{made.json()['id']}").json()["id"] == made.json()["id"]
    assert api.get(f"{WORKFLOWS}?team=nowhere").status_code == 404


def test_one_page_of_workflows_takes_a_fixed_number_of_queries(
    api: APIClient, team: Team, django_assert_max_num_queries: Any
):
    Workflow.objects.bulk_create(Workflow(team=team, name=f"W{n}", slug=f"w{n}") for n in range(60))

    with django_assert_max_num_queries(6):
        assert len(api.get(f"{WORKFLOWS}?limit=60").json()["results"]) == 60
