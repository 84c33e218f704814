"""Watching a run: nodes colour, text arrives word by word, nothing is lost by a reload, cancelling, being offline."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import shoot
from tests.browser.steps import run_id, seq, shown_statuses, start_sample, true_statuses, wait_for_end


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_run_is_started_from_its_form_and_watched_to_its_result(open_page: Any, language: str) -> None:
    page = open_page("/workflows/", language=language)

    run = start_sample(page, words=3000)

    expect(page.locator("[data-live-pill]")).to_have_attribute("data-state", "live")
    expect(page.locator('.graph-node[data-node-path="summaries[].summarise"]')).to_have_attribute(
        "data-node-status", "running"
    )
    text = page.locator("[data-writing-text]").first
    expect(text).to_have_text(re.compile(r"\w+ \w+ \w+"))
    expect(page.locator("[data-writing-path]").nth(2)).to_be_visible()
    shoot(page, f"run-live-{language}" if language != "en" else "run")
    wait_for_end(page)
    expect(page.locator(".result .prose").first).to_be_visible()
    expect(page.locator("[data-live-pill]")).to_have_attribute("data-state", "ended")
    assert {k: v for k, v in true_statuses(page, run).items() if "[" not in k}.items() <= shown_statuses(
        page
    ).items()
    shoot(page, f"run-result-{language}")


def test_text_arrives_in_pieces_as_it_is_written(open_page: Any) -> None:
    page = open_page("/workflows/")
    page.add_init_script(
        """
        window.seen = {}
        new MutationObserver(() => {
          for (const card of document.querySelectorAll('[data-writing-path]')) {
            const length = card.querySelector('[data-writing-text]').textContent.length
            const lengths = (window.seen[card.dataset.writingPath] ??= [])
            if (length && lengths.at(-1) !== length) lengths.push(length)
          }
        }).observe(document, { childList: true, subtree: true, characterData: true })
        """
    )

    start_sample(page, words=3000)
    wait_for_end(page)

    seen = page.evaluate("window.seen")
    assert max(len(lengths) for lengths in seen.values()) >= 4, seen


def test_a_reload_in_mid_run_loses_nothing(open_page: Any) -> None:
    page = open_page("/workflows/")
    run = start_sample(page, words=3000)
    expect(page.locator("[data-writing-text]").first).to_have_text(re.compile(r"\w+ \w+"))
    before = seq(page)

    page.reload()

    assert seq(page) >= before
    expect(page.locator("[data-writing-text]").first).to_have_text(re.compile(r"\w+ \w+ \w+"))
    wait_for_end(page)
    truth = true_statuses(page, run)
    assert {k: v for k, v in truth.items() if "[" not in k}.items() <= shown_statuses(page).items()
    items = sum(1 for path in truth if re.fullmatch(r"summaries\[\d+\]\.summarise", path))
    expect(page.locator('.gantt-row[data-node-path="summaries[].summarise"] [data-count]')).to_have_text(
        f"{items}/{items}"
    )
    last = page.request.get(f"/api/v1/runs/{run}/events?limit=200&after={seq(page)}").json()
    assert last["results"] == []


def test_a_run_is_cancelled_and_says_so_at_once(open_page: Any) -> None:
    page = open_page("/workflows/")
    run = start_sample(page, words=3000)
    expect(page.locator("[data-writing-text]").first).to_have_text(re.compile(r"\w+"))

    page.locator("[data-cancel] button").click()

    expect(page.locator('[data-run-badge] [data-status="cancelled"]')).to_be_visible(timeout=2000)
    wait_for_end(page, "cancelled")
    expect(page.locator("[data-cancel]")).to_be_hidden()
    assert page.request.get(f"/api/v1/runs/{run}").json()["status"] == "cancelled"


def test_the_panel_shows_a_node_and_survives_a_reload(open_page: Any) -> None:
    page = open_page("/workflows/")
    start_sample(page, words=500)
    wait_for_end(page)

    page.locator('.graph-node[data-node-path="compose"]').click()

    panel = page.locator("[data-panel]")
    expect(panel.locator(".panel-text")).to_be_visible()
    shoot(page, "run-panel")
    page.reload()
    expect(panel.locator('[data-panel-path="compose"]')).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_the_keyboard_alone_opens_items_of_a_map_and_goes_back(open_page: Any) -> None:
    page = open_page("/workflows/")
    start_sample(page, words=500)
    wait_for_end(page)
    node = page.locator('.graph-node[data-node-path="summaries"]')

    node.focus()
    page.keyboard.press("Enter")

    panel = page.locator("[data-panel]")
    panel.locator('a[href$="/nodes/summaries%5B0%5D/"]').click()
    panel.locator('a[href$="/nodes/summaries%5B0%5D.summarise/"]').click()
    expect(panel.locator(".panel-text")).to_be_visible()
    page.keyboard.press("Escape")
    expect(node).to_be_focused()


def test_the_list_of_runs_changes_by_itself(open_page: Any) -> None:
    watcher = open_page("/runs/")
    expect(watcher.locator("[data-live-pill]")).to_have_attribute("data-state", "live")
    worker = open_page("/workflows/")

    run = start_sample(worker, words=500)

    row = watcher.locator(f'tr[data-run-id="{run}"]')
    expect(row).to_be_visible()
    expect(row).to_have_attribute("data-run-status", "succeeded", timeout=40_000)


def test_a_lost_connection_is_shown_and_caught_up(open_page: Any, complaints: list[str]) -> None:
    page = open_page("/workflows/")
    start_sample(page, words=3000)
    expect(page.locator("[data-live-pill]")).to_have_attribute("data-state", "live")

    page.context.set_offline(True)
    expect(page.locator("[data-live-pill]")).to_have_attribute("data-state", "offline")
    page.wait_for_timeout(1500)
    page.context.set_offline(False)

    expect(page.locator("[data-live-pill]")).to_have_attribute("data-state", re.compile("live|ended"))
    wait_for_end(page)
    complaints[:] = [found for found in complaints if "ERR_INTERNET_DISCONNECTED" not in found]


def test_a_page_without_scripts_still_tells_everything(
    open_page: Any, chromium: Any, product: Any, session_state: Any
) -> None:
    page = open_page("/workflows/")
    run = start_sample(page, words=500)
    wait_for_end(page)
    context = chromium.new_context(
        base_url=product.url, storage_state=session_state, java_script_enabled=False
    )
    plain = context.new_page()

    plain.goto(f"/runs/{run}/")

    expect(plain.locator(".result .prose").first).to_be_visible()
    expect(plain.locator("#events tr").nth(5)).to_be_visible()
    plain.locator('#list tr[data-node-path="compose"] a').click()
    expect(plain.locator(".panel-text")).to_be_visible()
    context.close()
    assert run_id(page) == run


FAKE_SOURCE = """
window.EventSource = class extends EventTarget {
  constructor() {
    super()
    ;(window.theSources ??= []).push(this)
    setTimeout(() => this.onopen())
  }
  close() {}
}
"""


def test_a_server_that_reads_late_says_so_on_the_pill(open_page: Any) -> None:
    page = open_page("/settings/")
    page.add_init_script(FAKE_SOURCE)
    page.goto("/runs/")
    pill = page.locator("[data-live-pill]")
    expect(pill).to_have_attribute("data-state", "live")
    message = "new MessageEvent('link', { data: JSON.stringify({ delayed: late }) })"
    say = f"late => theSources.forEach(source => source.dispatchEvent({message}))"

    page.evaluate(say, True)
    expect(pill).to_have_attribute("data-state", "delayed")
    expect(pill).to_contain_text("delayed")
    page.evaluate(say, False)

    expect(pill).to_have_attribute("data-state", "live")


def test_every_text_can_be_read_on_a_phone_while_it_is_written(open_page: Any) -> None:
    page = open_page("/workflows/", width=360)
    start_sample(page, words=4000)
    expect(page.locator(".writing-item").nth(2)).to_be_attached()

    heights = page.locator(".writing-text").evaluate_all("texts => texts.map(text => text.clientHeight)")

    assert min(heights) >= 40
