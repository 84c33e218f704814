"""The page about usage: figures, a chart with its table, lines that narrow it down, CSV."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

MAY = "since=2026-05-01&until=2026-05-31"


@pytest.fixture
def browser(client: Client, editor: Any, add_call: Any) -> Client:
    add_call(datetime(2026, 5, 2, tzinfo=UTC), cost="1.50", input_tokens=1200, agent="writer")
    add_call(datetime(2026, 5, 9, tzinfo=UTC), cost="0.25", model="m2", failed=1)
    client.force_login(editor)
    return client


def read(browser: Client, query: str) -> str:
    return " ".join(browser.get(f"/usage/?{query}").content.decode().split())


def test_the_page_shows_sums_and_a_chart_that_can_be_read_out(browser: Client) -> None:
    page = read(browser, MAY)

    assert re.search(r'data-figure="cost"\s*>\$1\.75<', page)
    assert page.count('class="chart-bar') == 31
    assert '<th scope="row">May 2</th> <td>1.5</td>' in page
    assert re.search(r'data-lines="model".*m1.*m2', page)
    assert "1 not answered" in page


def test_a_line_narrows_the_page_down_and_can_be_taken_away(browser: Client) -> None:
    page = read(browser, MAY)
    link = re.search(r'<tr data-key="m2".*?href="\?([^"]+)"', page)
    assert link

    narrowed = read(browser, link[1].replace("&amp;", "&"))

    assert re.search(r'data-figure="cost"\s*>\$0\.2500<', narrowed)
    assert "Model: m2" in narrowed
    without = re.search(r'class="badge" href="\?([^"]+)"', narrowed)
    assert without
    assert "model=" not in without[1]


def test_the_files_hold_what_the_page_shows(browser: Client) -> None:
    by_model = browser.get(f"/usage/csv/?{MAY}&by=model").content.decode().splitlines()
    by_day = browser.get(f"/usage/csv/?{MAY}&by=day").content.decode().splitlines()

    assert [line.split(",")[0] for line in by_model] == ["model", "m1", "m2"]
    assert len(by_day) == 32


@pytest.mark.parametrize(
    "query", ["since=x&until=9999-99-99", "by=moon&of=sun", "since=1990-01-01", "model="]
)
def test_nonsense_in_the_address_is_left_out(query: str, browser: Client) -> None:
    assert browser.get(f"/usage/?{query}").status_code == 200
