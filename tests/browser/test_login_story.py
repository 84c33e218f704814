"""The first login: a link that works once, and is not burnt by whoever only looks at it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import LOCALES, log_in, watch
from tests.browser.product import Product


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_one_time_link_logs_in_once(
    product: Product, chromium: Browser, complaints: list[str], language: str
) -> None:
    link = product.login_link()
    context = chromium.new_context(locale=LOCALES[language])
    page = context.new_page()
    watch(page, product.url, complaints)

    page.goto(link)
    page.goto(link)
    log_in(page, link)

    expect(page.locator("html")).to_have_attribute("lang", re.compile("^en|^zh"))
    expect(page.locator(".sidebar .nav-link").first).to_be_visible()
    context.clear_cookies()
    again = page.goto(link)
    assert again is not None
    button = page.locator("main form[method=post] button[type=submit]")
    if button.count():
        button.first.click()
    page.goto(product.url + "/runs/")
    assert "login" in page.url
    complaints.clear()
    context.close()
