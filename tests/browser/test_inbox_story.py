"""A run asks, somebody answers in the inbox, and everything else that is open follows by itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.steps import RUN_URL, wait_for_end


def test_a_run_asks_and_goes_on_when_it_is_approved(open_page: Any) -> None:
    inbox, elsewhere = open_page("/inbox/"), open_page("/agents/")
    beside = elsewhere.context.new_page()
    beside.goto(elsewhere.url)
    run = open_page("/workflows/review/start/")
    run.locator("textarea").first.fill("A new release")
    run.locator("[data-start-form] input[type=number]").fill("0")
    run.locator("[data-start-form] button[type=submit]").click()
    run.wait_for_url(RUN_URL)

    for page in (elsewhere, beside):
        expect(page.locator("[data-inbox-count]")).to_have_text("1", timeout=20_000)
    inbox.locator("form[data-approval-id] select").select_option(index=1)
    inbox.locator('button[value="approved"]').click()

    for page in (elsewhere, beside):
        expect(page.locator("[data-inbox-count]")).to_have_count(0, timeout=20_000)
    wait_for_end(run, "succeeded")
