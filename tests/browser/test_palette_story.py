"""The keyboard leads everywhere, and a finger decides in the inbox."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import shoot
from tests.browser.steps import RUN_URL, wait_for_end
from tests.browser.test_every_page import violations

SWIPE = """([id, dx]) => {
  const card = document.querySelector(`form[data-approval-id="${id}"] h2`)
  const at = card.getBoundingClientRect()
  const fire = (type, x) => card.dispatchEvent(new PointerEvent(type, {
    bubbles: true, pointerId: 7, pointerType: 'touch', clientX: x, clientY: at.top + 5 }))
  fire('pointerdown', 150)
  for (const x of [150 + dx / 2, 150 + dx]) fire('pointermove', x)
  fire('pointerup', 150 + dx)
}"""


def test_the_palette_and_the_shortcuts_lead_to_places(open_page: Any) -> None:
    page: Page = open_page("/agents/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette .hit").first).to_be_visible()
    page.keyboard.type("brief")
    expect(page.locator("#palette .hit[data-hit-kind=page]")).to_have_count(0)
    expect(page.locator("#palette .hit.is-chosen")).to_contain_text("brief")
    assert violations(page) == []
    shoot(page, "palette")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workflows/brief/")

    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs/")


def test_a_swipe_decides_and_can_be_undone(open_page: Any) -> None:
    run: Page = open_page("/workflows/review/start/")
    run.locator("textarea").first.fill("A swiped release")
    run.locator("[data-start-form] input[type=number]").fill("0")
    run.locator("[data-start-form] button[type=submit]").click()
    run.wait_for_url(RUN_URL)
    expect(run.locator("[data-inbox-count]")).to_have_text("1", timeout=30_000)
    phone: Page = open_page("/inbox/", width=360)
    card = phone.locator("form[data-approval-id]")
    name = card.get_attribute("data-approval-id")

    phone.evaluate(SWIPE, [name, 99])
    expect(phone.locator(".swipe-undo")).to_have_count(0)
    phone.evaluate(SWIPE, [name, -101])
    expect(card).to_be_hidden()
    phone.locator("[data-swipe-back]").click()
    expect(card).to_be_visible()
    phone.locator("form[data-approval-id] select").select_option(index=1)
    phone.evaluate(SWIPE, [name, 101])
    expect(phone.locator(".swipe-undo")).to_have_count(1)

    wait_for_end(run, "succeeded")
