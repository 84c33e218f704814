"""The frame: language and theme before and after the login, teams, time zones, errors as pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from apps.accounts.models import Membership, Role, Team, User
from apps.portal.context import PLACES
from apps.portal.middleware import PreferencesMiddleware, zone_of
from orchestra.errors import Conflict, InvalidInput, Problem
from tests.portal.markup import Page


@pytest.mark.django_db
def test_the_language_is_chosen_before_the_login(browse: Any) -> None:
    browser = browse()

    answer = browser.post("/preferences/", {"language": "zh-hans", "next": "/accounts/login/"}, follow=True)

    page = Page(answer.content.decode())
    assert page.find("html", lang="zh-hans")
    assert page.find("button", name="language", value="en")


@pytest.mark.django_db
def test_the_browser_s_language_is_spoken_to_strangers(browse: Any) -> None:
    assert Page(browse(None, "zh-CN,zh;q=0.9").get("/accounts/login/").content.decode()).find(
        "html", lang="zh-hans"
    )


@pytest.mark.django_db
def test_the_theme_is_chosen_before_the_login(browse: Any) -> None:
    browser = browse()

    browser.post("/preferences/", {"theme": "dark"})
    page = Page(browser.get("/accounts/login/").content.decode())

    assert page.tags[0].attributes["data-theme"] == "dark"


@pytest.mark.django_db
def test_a_theme_that_is_not_one_is_not_believed() -> None:
    browser = Client()
    browser.cookies[settings.THEME_COOKIE_NAME] = '"><script>'

    page = Page(browser.get("/accounts/login/").content.decode())

    assert page.tags[0].attributes["data-theme"] == "system"


def test_a_person_s_own_language_beats_the_browser_s(browse: Any, editor: User) -> None:
    editor.language = "zh-hans"
    editor.save()

    answer = browse(editor, "en").get("/settings/")

    assert answer.headers["Content-Language"] == "zh-hans"
    assert Page(answer.content.decode()).find("html", lang="zh-hans")


def test_times_are_told_in_the_person_s_zone(editor: User, rf: RequestFactory) -> None:
    editor.time_zone = "Asia/Shanghai"
    request = rf.get("/")
    request.user = editor
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(timezone.localtime(datetime(2026, 1, 1, 20, tzinfo=UTC)).isoformat())
        return HttpResponse()

    PreferencesMiddleware(view)(request)

    assert seen == ["2026-01-02T04:00:00+08:00"]
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "a" * 500])
def test_a_zone_that_does_not_exist_is_utc(name: str) -> None:
    assert zone_of(name).key == "UTC"


def test_the_navigation_marks_where_one_is(browse: Any, editor: User) -> None:
    page = Page(browse(editor).get("/agents/").content.decode())

    current = [tag.attributes["href"] for tag in page.find("a", aria_current="page")]
    assert set(current) == {"/agents/"}
    assert len(page.find("a", _class="nav-link")) == len(PLACES)
    assert len(page.find("a", _class="tabbar-link")) == 5


def test_every_place_can_be_reached_on_a_small_screen(browse: Any, editor: User) -> None:
    page = Page(browse(editor).get("/settings/").content.decode())

    places = {tag.attributes["href"] for tag in page.find("a", _class="nav-link")}
    bar = {tag.attributes["href"] for tag in page.find("a", _class="tabbar-link")}
    more = {tag.attributes["href"] for tag in page.find("a", _class="stretched")}
    assert places <= bar | more
    assert len(places) > len(bar)


def test_switching_the_team_changes_what_is_shown(browse: Any, editor: User) -> None:
    other = Team.objects.create(name="Night shift", slug="night")
    Membership.objects.create(user=editor, team=other, role=Role.VIEWER)
    browser = browse(editor)

    browser.post("/preferences/", {"team": "night"})

    assert "<h1>Night shift</h1>" in "".join(browser.get("/team/").content.decode().split("\n"))


def test_a_person_without_a_team_is_told_what_to_do(browse: Any, make_user: Any) -> None:
    browser = browse(make_user("lonely"))

    assert "/team/new/" in browser.get("/").content.decode()
    answer = browser.get("/agents/")
    assert answer.status_code == 403
    assert "/team/new/" in answer.content.decode()


def test_a_superuser_without_membership_sees_no_team_s_things(
    browse: Any, make_user: Any, agent: Any
) -> None:
    admin = make_user("root", is_superuser=True, is_staff=True)

    assert browse(admin).get(f"/agents/{agent.slug}/").status_code == 403


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.django_db
def test_a_page_that_is_not_there_says_so_in_the_reader_s_language(language: str, browse: Any) -> None:
    answer = browse(None, language).get("/nothing/here")

    page = Page(answer.content.decode())
    assert answer.status_code == 404
    assert page.find("html", lang=language)
    assert ("There is nothing here" in page.texts) == (language == "en")


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_error_page_needs_no_database_and_no_request(name: str, language: str) -> None:
    with translation.override(language):
        html = engines["django"].get_template(name).render()

    assert Page(html).find("html", lang=language)
    assert len(Page(html).find("h1")) == 1


def test_a_forged_form_is_refused_with_a_page(editor: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(editor)

    answer = browser.post("/settings/", {"display_name": "Mallory"})

    assert answer.status_code == 403
    assert len(Page(answer.content.decode()).find("h1")) == 1
    editor.refresh_from_db()
    assert editor.display_name == ""


def test_an_action_s_refusal_becomes_a_page_and_not_a_crash(rf: RequestFactory, editor: User) -> None:
    request = rf.get("/")
    request.user = editor
    middleware = PreferencesMiddleware(lambda request: HttpResponse())
    problem = InvalidInput(problems=[Problem(path="input.n", code="type", message="Must be a number.")])

    shown = middleware.process_exception(request, problem)
    conflict = middleware.process_exception(request, Conflict("Somebody was first."))

    assert shown is not None
    assert (shown.status_code, "input.n" in shown.content.decode()) == (422, True)
    assert conflict is not None
    assert conflict.status_code == 409
    assert middleware.process_exception(request, ValueError()) is None


def test_the_api_speaks_for_itself(rf: RequestFactory) -> None:
    middleware = PreferencesMiddleware(lambda request: HttpResponse())

    assert middleware.process_exception(rf.get("/api/v1/runs"), Conflict()) is None


def test_messages_are_shown_as_toasts_once(browse: Any, editor: User) -> None:
    browser = browse(editor)

    first = browser.post("/home/checklist/hide/", follow=True)
    browser.post("/team/new/", {"name": "X"})
    second, third = browser.get("/settings/"), browser.get("/settings/")

    assert "toast is-success" not in first.content.decode()
    assert "toast is-success" in second.content.decode()
    assert "toast is-success" not in third.content.decode()
