"""A run asks, somebody answers in the inbox, and everything else that is open follows by itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Route, expect

from tests.browser.steps import RUN_URL, wait_for_end


def test_a_run_asks_and_goes_on_when_it_is_approved(open_page: Any) -> None:
    inbox, elsewhere = open_page("/agents/"), open_page("/agents/")
    held: list[Route] = []
    released: list[Route] = []

    def hold(route: Route) -> None:
        route.continue_() if released else held.append(route)

    inbox.route("**/events/stream*", hold)
    with inbox.expect_request("**/events/stream*"):
        inbox.goto("/inbox/")
    beside = elsewhere.context.new_page()
    beside.goto(elsewhere.url)
    run = open_page("/workflows/review/start/")
    run.locator("textarea").first.fill("A new release")
    run.locator("[data-start-form] input[type=number]").fill("0")
    run.locator("[data-start-form] button[type=submit]").click()
    run.wait_for_url(RUN_URL)

    for page in (elsewhere, beside):
        expect(page.locator("[data-inbox-count]")).to_have_text("1", timeout=20_000)
    released.append(held[-1])
    held[-1].continue_()  # what was asked before its stream is open is not told there
    inbox.locator("form[data-approval-id] select").select_option(index=1)
    inbox.locator('button[value="approved"]').click()

    for page in (elsewhere, beside):
        expect(page.locator("[data-inbox-count]")).to_have_count(0, timeout=20_000)
    wait_for_end(run, "succeeded")
