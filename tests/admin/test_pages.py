"""Every page of the admin: open to operators, closed to others, cheap, and silent about secrets."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import translation

from apps.accounts.models import Role, Team, User
from apps.runs.models import Run

PRODUCT = ("accounts", "agents", "workflows", "runs", "usage", "triggers", "chat")


def registered() -> list[Any]:
    """Return every model that has pages, by name; read when the tests are collected."""
    admin.autodiscover()
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


def listing(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def detail(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def labels() -> list[str]:
    return [model._meta.label for model in registered()]


def test_every_model_of_the_product_has_pages() -> None:
    mine = {model for label in PRODUCT for model in apps.get_app_config(label).get_models()}
    mine = {model for model in mine if not model._meta.auto_created}

    assert mine <= set(registered())


@pytest.mark.parametrize("label", labels())
def test_every_list_opens_for_an_operator(operator: Client, rows: SimpleNamespace, label: str) -> None:
    answer = operator.get(listing(apps.get_model(label)))

    assert answer.status_code == 200


@pytest.mark.parametrize("label", labels())
def test_every_row_opens_for_an_operator(operator: Client, rows: SimpleNamespace, label: str) -> None:
    row = apps.get_model(label).objects.first()

    assert operator.get(detail(row)).status_code == 200


@pytest.mark.parametrize("label", labels())
def test_every_list_can_be_searched(operator: Client, rows: SimpleNamespace, label: str) -> None:
    page = admin.site._registry[apps.get_model(label)]

    answers = [operator.get(listing(page.model), {"q": text}) for text in ("a", "0", "'\"<>", "2024-01-01")]

    assert page.search_fields or label == "accounts.Group"
    assert [answer.status_code for answer in answers] == [200] * 4


@pytest.mark.parametrize("label", labels())
def test_every_filter_of_every_list_works(operator: Client, rows: SimpleNamespace, label: str) -> None:
    answer = operator.get(listing(apps.get_model(label)))

    found = [choice["query_string"] for spec in answer.context["cl"].filter_specs
             for choice in spec.choices(answer.context["cl"]) if "query_string" in choice]  # fmt: skip
    assert {operator.get(listing(apps.get_model(label)) + query).status_code for query in found} <= {200}


@pytest.mark.parametrize("label", [label for label in labels() if label.split(".")[0] in PRODUCT])
def test_every_column_and_field_has_a_chinese_name(label: str) -> None:
    page = admin.site._registry[apps.get_model(label)]
    own = [] if page.fields or page.fieldsets else [field.name for field in page.model._meta.fields]
    names = {*page.list_display, *(page.fields or ()), *own} - {"id", "__str__", *(page.exclude or ())}

    with translation.override("zh-hans"):
        shown = {name: str(label_for_field(name, page.model, page)) for name in names}

    assert {name: text for name, text in shown.items() if not re.search(r"[一-鿿]", text)} == {}


def test_strangers_are_sent_to_the_login(client: Client, rows: SimpleNamespace) -> None:
    for model in registered():
        answer = client.get(listing(model))
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"/{django_settings.ADMIN_URL}login/")
    login = client.get(f"/{django_settings.ADMIN_URL}login/", {"next": f"/{django_settings.ADMIN_URL}"})
    assert login["Location"].startswith(f"/accounts/login/?next=%2F{django_settings.ADMIN_URL.rstrip('/')}")


def test_the_admin_has_no_password_door_of_its_own(client: Client, root: User) -> None:
    answer = client.post(
        f"/{django_settings.ADMIN_URL}login/", {"username": "root", "password": "correct horse"}
    )

    assert answer.status_code == 302
    assert "_auth_user_id" not in client.session


def test_owners_of_teams_are_no_operators(client: Client, make_user: Any, team: Team, rows: Any) -> None:
    client.force_login(make_user("owen", team, Role.OWNER))

    statuses = {client.get(listing(model), follow=True).status_code for model in registered()}

    assert statuses == {403}


def test_staff_without_rights_see_nothing(client: Client, make_user: Any, rows: Any) -> None:
    client.force_login(make_user("stan", is_staff=True))

    statuses = {client.get(listing(model)).status_code for model in registered()}

    assert statuses == {403}


def test_no_page_shows_a_secret(operator: Client, rows: SimpleNamespace) -> None:
    pages = [listing(model) for model in registered()]
    pages += [detail(row) for model in registered() if (row := model.objects.first()) is not None]

    shown = {page: operator.get(page).content.decode() for page in pages}

    found = {(page, secret) for page, text in shown.items() for secret in rows.secrets if secret in text}
    assert found == set()
    assert "…wxyz" in shown[detail(rows.connection)]


def test_user_data_is_shown_as_text(operator: Client, rows: SimpleNamespace) -> None:
    run = operator.get(detail(rows.run)).content.decode()
    connection = operator.get(detail(rows.odd)).content.decode()

    assert "<script>alert(1)" not in run
    assert "&lt;script&gt;alert(1)" in run
    assert "javascript:alert(1)" in connection
    assert 'href="javascript' not in connection


@pytest.mark.parametrize("label", ["runs.Run", "runs.NodeRun", "runs.Event", "workflows.WorkflowVersion"])
def test_lists_of_big_tables_never_count(
    operator: Client, rows: SimpleNamespace, label: str, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12) as queries:
        operator.get(listing(apps.get_model(label)))

    table = apps.get_model(label)._meta.db_table
    counting = [
        one["sql"] for one in queries.captured_queries if "COUNT(" in one["sql"] and table in one["sql"]
    ]
    assert counting == []


def test_a_list_of_runs_costs_the_same_for_many(
    operator: Client, rows: SimpleNamespace, django_assert_max_num_queries: Any
) -> None:
    run = rows.run
    Run.objects.bulk_create(
        Run(team_id=run.team_id, workflow_id=run.workflow_id, version_id=run.version_id, number=number,
            started_by_id=run.started_by_id)
        for number in range(2, 60)
    )  # fmt: skip

    with django_assert_max_num_queries(12) as queries:
        answer = operator.get(listing(Run))

    assert len(answer.context["cl"].result_list) == 50
    assert not any('"runs_run"."output"' in one["sql"] for one in queries.captured_queries)


def test_the_next_page_of_runs_opens(operator: Client, rows: SimpleNamespace) -> None:
    assert operator.get(listing(Run), {"p": "2"}).status_code == 200


def test_the_face_is_ours(operator: Client) -> None:
    page = operator.get(f"/{django_settings.ADMIN_URL}").content.decode()

    assert "Orchestra" in page
    assert "Django administration" not in page
    assert "rgb(14, 165, 233)" in page


def test_the_admin_loads_nothing_from_elsewhere(operator: Client, rows: SimpleNamespace) -> None:
    pages = [f"/{django_settings.ADMIN_URL}", listing(Run), detail(rows.run), listing(User)]

    for page in pages:
        text = operator.get(page).content.decode()
        loaded = [part for attribute in ('src="', "src='", "url(") for part in text.split(attribute)[1:]]
        assert not [part[:60] for part in loaded if part.startswith(("http", "//"))]


def test_the_admin_speaks_both_languages(operator: Client, root: User, rows: SimpleNamespace) -> None:
    root.language = "zh-hans"
    root.save()

    answer = operator.get(f"/{django_settings.ADMIN_URL}")

    assert answer.status_code == 200
    assert answer["Content-Language"] == "zh-hans"


def test_somebody_with_view_rights_reads_and_changes_nothing(
    client: Client, make_user: Any, rows: SimpleNamespace
) -> None:
    stan = make_user("stan", is_staff=True)
    stan.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(stan)
    before = {
        model: list(model.objects.order_by("pk").values()) for model in registered() if model is not User
    }

    for model in registered():
        page = listing(model)
        row = model.objects.first()
        forged = [(f"{page}add/", {"name": "forged", "username": "forged"})]
        if row is not None:
            forged += [
                (detail(row), {"name": "forged"}),
                (f"{detail(row).removesuffix('change/')}delete/", {"post": "yes"}),
                (page, {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}),
                (
                    page,
                    {
                        "form-TOTAL_FORMS": "1",
                        "form-INITIAL_FORMS": "1",
                        "form-0-id": str(row.pk),
                        "_save": "1",
                    },
                ),
            ]
        assert client.get(page).status_code == 200
        assert {client.post(where, body).status_code for where, body in forged} <= {403, 302, 200}

    after = {model: list(model.objects.order_by("pk").values()) for model in before}
    assert after == before
    assert not User.objects.filter(username="forged").exists()


def test_flower_is_offered_where_there_is_one(operator: Client, settings: Any) -> None:
    settings.ORCHESTRA_FLOWER_URL = ""
    without = operator.get("/admin/").content.decode()

    settings.ORCHESTRA_FLOWER_URL = "http://127.0.0.1:5555/flower"
    with_one = operator.get("/admin/").content.decode()

    assert 'href="/flower/"' not in without
    assert 'href="/flower/"' in with_one
