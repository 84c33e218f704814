"""Every page: it answers, asks strangers to log in, and keeps the rules of its headers and markup."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

from apps.accounts.models import User
from apps.agents.models import Agent
from tests.portal.markup import Page
from tests.portal.places import GONE_PAGES, MORE_PAGES, OPEN_PAGES, PAGES, POST_ONLY

SPACES = ("portal", "settings", "team", "inbox", "agents", "connections")


@pytest.mark.parametrize("url", [*PAGES.values(), *MORE_PAGES])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_member_sees_the_page(url: str, language: str, browse: Any, owner: User, agent: Agent) -> None:
    answer = browse(owner, language).get(url)

    assert answer.status_code == 200
    assert answer.headers["Content-Language"] == language


@pytest.mark.parametrize("url", [*PAGES.values(), *MORE_PAGES])
def test_a_stranger_is_asked_to_log_in(url: str, browse: Any, agent: Agent) -> None:
    answer = browse().get(url)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("url", OPEN_PAGES)
@pytest.mark.django_db
def test_a_stranger_sees_the_page(url: str, browse: Any) -> None:
    assert browse().get(url).status_code == 200


@pytest.mark.parametrize("url", GONE_PAGES)
@pytest.mark.django_db
def test_a_link_that_never_was_is_gone(url: str, browse: Any) -> None:
    answer = browse().get(url)

    assert answer.status_code == 410
    assert "csrfmiddlewaretoken" not in Page(answer.content.decode()).find("form", method="post")


def test_every_page_of_the_frame_is_visited() -> None:
    named = {
        f"{resolver.namespace}:{name}"
        for resolver in _resolvers(get_resolver())
        if resolver.namespace in SPACES
        for name in resolver.reverse_dict
        if isinstance(name, str)
    }

    assert named == set(PAGES) | POST_ONLY


@pytest.mark.parametrize("name", sorted(POST_ONLY))
def test_what_changes_something_takes_only_posts(
    name: str, browse: Any, owner: User, agent: Agent, invitation: Any
) -> None:
    from django.urls import reverse

    arguments: dict[str, dict[str, Any]] = {
        "settings:revoke_key": {"key_id": owner.pk},
        "team:withdraw": {"invitation_id": invitation.pk},
        "team:role": {"user_id": owner.pk},
        "team:remove": {"user_id": owner.pk},
        "inbox:decide": {"approval_id": owner.pk},
        "agents:delete": {"slug": "writer"},
        "agents:control": {"slug": "writer"},
        "connections:test": {"slug": "main-provider"},
        "connections:add_key": {"slug": "main-provider"},
        "connections:remove_key": {"slug": "main-provider", "key_id": UUID(int=1)},
        "connections:close_breaker": {"slug": "main-provider"},
        "connections:default": {"slug": "main-provider"},
        "connections:delete": {"slug": "main-provider"},
    }

    answer = browse(owner).get(reverse(name, kwargs=arguments.get(name)))

    assert answer.status_code == 405


@pytest.mark.parametrize("url", [*PAGES.values(), *MORE_PAGES, *OPEN_PAGES, *GONE_PAGES, "/nothing-here"])
def test_a_page_keeps_the_content_security_policy(url: str, browse: Any, owner: User, agent: Agent) -> None:
    is_open = url in (*OPEN_PAGES, *GONE_PAGES)

    answer = browse(None if is_open else owner).get(url)

    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy
    _check_markup(Page(answer.content.decode()))


@pytest.mark.parametrize("url", [*PAGES.values(), *OPEN_PAGES])
def test_a_page_is_well_formed_for_assistive_technology(
    url: str, browse: Any, owner: User, agent: Agent
) -> None:
    if url == PAGES["portal:live"]:
        return
    answer = browse(None if url in OPEN_PAGES else owner).get(url)

    page = Page(answer.content.decode())
    identifiers = [tag.attributes["id"] for tag in page.tags if tag.attributes.get("id")]
    labelled = {tag.attributes.get("for") for tag in page.find("label")}
    assert len(page.find("h1")) == 1
    assert len(page.find("main", id="main")) == 1
    assert page.find("a", href="#main")
    assert len(identifiers) == len(set(identifiers))
    for control in (*page.find("input"), *page.find("select"), *page.find("textarea")):
        attributes = control.attributes
        is_named = attributes.get("id") in labelled or attributes.get("aria-label")
        assert is_named or attributes.get("type") == "hidden" or "hidden" in attributes, attributes


def _check_markup(page: Page) -> None:
    for tag in page.tags:
        assert "style" not in tag.attributes, tag
        assert not [name for name in tag.attributes if name.startswith("on")], tag
        assert tag.name != "style"
        assert tag.name != "script" or tag.attributes.get("src", "").startswith("/static/"), tag
        for name in ("src", "href", "action", "data-live-url", "data-stream-url"):
            value = tag.attributes.get(name) or ""
            assert not re.match(r"(https?:)?//", value), tag


def _resolvers(resolver: URLResolver) -> list[URLResolver]:
    inner = [one for one in resolver.url_patterns if isinstance(one, URLResolver)]
    return inner + [found for one in inner for found in _resolvers(one)]
