"""What people do in the stories, in terms of what they see."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.product import ROOT

SAMPLE = "/workflows/brief/"
RUN_URL = re.compile(r"/runs/[0-9a-f-]{36}/")
ENDED = re.compile(r"succeeded|failed|cancelled")


def document(words: int = 1600) -> str:
    """Return the beginning of the sample document."""
    return " ".join((ROOT / "samples" / "document.txt").read_text(encoding="utf-8").split(" ")[:words])


def start_sample(page: Page, words: int = 1600) -> str:
    """Fill the start form of the sample, start it, and return the run's id."""
    page.goto(f"{SAMPLE}start/?clear")
    page.locator("textarea").first.fill(document(words))
    page.locator("[data-start-form] button[type=submit]").click()
    page.wait_for_url(RUN_URL)
    return run_id(page)


def run_id(page: Page) -> str:
    return str(page.locator("[data-run]").get_attribute("data-run-id"))


def seq(page: Page) -> int:
    return int(page.locator("[data-run]").get_attribute("data-seq") or 0)


def wait_for_end(page: Page, status: str = "succeeded") -> None:
    expect(page.locator("[data-run]")).to_have_attribute("data-run-status", ENDED, timeout=60_000)
    expect(page.locator("[data-run]")).to_have_attribute("data-run-status", status)


def shown_statuses(page: Page) -> dict[str, str]:
    """Return the status of each row of the timeline, by path."""
    script = "rows => Object.fromEntries(rows.map(row => [row.dataset.nodePath, row.dataset.nodeStatus]))"
    found: dict[str, str] = page.locator(".gantt-row").evaluate_all(script)
    return found


def true_statuses(page: Page, run: str) -> dict[str, str]:
    """Return the status of each node run as the API says it."""
    answer: Any = page.request.get(f"/api/v1/runs/{run}/nodes?limit=200").json()
    return {node["path"]: node["status"] for node in answer["results"]}
