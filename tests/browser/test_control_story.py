"""Holding a run back, letting it go on, cancelling and retrying it, while somebody else looks on."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.browser.steps import start_sample, true_statuses, wait_for_end


def test_a_run_is_paused_resumed_cancelled_and_retried_to_its_end(open_page: Any) -> None:
    page = open_page("/workflows/")
    run = start_sample(page, words=1600)
    expect(page.locator("[data-writing-text]").first).to_have_text(re.compile(r"\w+"))
    state = page.locator("[data-run]")

    page.locator('[data-act="paused"] button').click()
    expect(state).to_have_attribute("data-run-status", "paused", timeout=5000)
    expect(page.locator('[data-run-badge] [data-status="paused"]')).to_be_visible()
    page.locator('[data-when="paused"] button').click()
    expect(state).to_have_attribute("data-run-status", "running", timeout=5000)
    page.locator("[data-cancel] button").click()
    wait_for_end(page, "cancelled")
    kept = {path for path, status in true_statuses(page, run).items() if status == "succeeded"}

    watcher = open_page(f"/runs/{run}/")
    expect(watcher.locator("[data-run]")).to_have_attribute("data-run-status", "cancelled")
    page.locator('[data-when="failed cancelled"] button').click()
    expect(watcher.locator("[data-run]")).not_to_have_attribute(
        "data-run-status", "cancelled", timeout=10_000
    )

    wait_for_end(page, "succeeded")
    assert kept <= {path for path, status in true_statuses(page, run).items() if status == "succeeded"}


def test_ticked_runs_are_cancelled_and_retried_from_the_list(open_page: Any) -> None:
    page = open_page("/workflows/")
    run = start_sample(page, words=1600)
    page.goto("/runs/")
    row = page.locator(f'tr[data-run-id="{run}"]')

    row.locator("input[type=checkbox]").check()
    page.locator('#bulk-form button[value="cancel"]').click()
    page.locator("#confirm-dialog [data-yes]").click()
    expect(row).to_have_attribute("data-run-status", "cancelled", timeout=10_000)
    row.locator("input[type=checkbox]").check()
    page.locator('#bulk-form button[value="retry"]').click()

    expect(row).to_have_attribute("data-run-status", "succeeded", timeout=60_000)
