"""Every page in both languages, both themes, on a desk and on a phone: it fits, and axe-core finds nothing."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import shoot
from tests.browser.product import Product
from tests.browser.steps import SAMPLE, start_sample, wait_for_end

PAGES = {
    "home": "/",
    "workflows": "/workflows/",
    "workflow-new": "/workflows/new/",
    "workflow": SAMPLE,
    "workflow-design": f"{SAMPLE}design/",
    "workflow-edit": f"{SAMPLE}edit/",
    "workflow-versions": f"{SAMPLE}versions/",
    "workflow-version": f"{SAMPLE}versions/1/",
    "workflow-diff": f"{SAMPLE}diff/?from=1&to=draft",
    "start": f"{SAMPLE}start/",
    "runs": "/runs/",
    "run-ended": "/runs/{run}/",
    "run-list": "/runs/{run}/?tab=list",
    "run-node": "/runs/{run}/nodes/compose/",
    "inbox": "/inbox/",
    "chat": "/chat/",
    "search": "/search/?q=r",
    "agents": "/agents/",
    "agent-new": "/agents/new/",
    "tools": "/tools/",
    "tools-connect": "/tools/connect/",
    "tools-import": "/tools/import/",
    "connections": "/connections/",
    "triggers": "/triggers/",
    "trigger-new": "/triggers/new/?kind=schedule",
    "trigger-webhook": "/triggers/new/?kind=webhook",
    "trigger-event": "/triggers/new/?kind=event",
    "trigger-form": "/triggers/new/?kind=form",
    "usage": "/usage/",
    "budgets": "/usage/budgets/",
    "budget-new": "/usage/budgets/new/",
    "team": "/team/",
    "settings": "/settings/",
    "security": "/settings/security/",
    "second-factor": "/accounts/2fa/totp/activate/",
    "styleguide": "/styleguide",
}
LOOKS = [("en", 1440, False), ("en", 360, True), ("zh-hans", 1440, True), ("zh-hans", 360, False)]
SMALL_TARGETS = """
() => [...document.querySelectorAll(
  'main :is(.button, select, .tabs a, a.cell-main:not(.stretched), .tick, .filters a), .tabbar a, .topbar summary')]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .map((element) => ({ box: element.getBoundingClientRect(), name: element.outerHTML.slice(0, 90) }))
  .filter(({ box }) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
  .map(({ box, name }) => `${Math.round(box.width)}x${Math.round(box.height)} ${name}`)
"""
UNNAMED = """
() => [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, textarea')]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => {
    const labels = element.labels ? [...element.labels].map((label) => label.textContent).join('') : ''
    const title = element.querySelector?.('title')?.textContent ?? ''
    const named = ['aria-label', 'title', 'aria-labelledby'].map((name) => element.getAttribute(name) ?? '').join('')
    return !(labels + title + named + element.textContent).trim()
  })
  .map((element) => element.outerHTML.slice(0, 120))
"""
AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


STILL = """async () => {
  const lasts = (one) => Number.isFinite(one.effect?.getComputedTiming().endTime ?? 0)
  const moving = () => document.getAnimations().filter((one) => one.playState === 'running' && lasts(one))
  while (moving().length) await Promise.allSettled(moving().map((one) => one.finished))
}"""


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on the page, as `rule: element`; what fades in has arrived by then."""
    page.evaluate(STILL)
    found = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@pytest.fixture(scope="module")
def ended_run(product: Product, chromium: Any, session_state: Any) -> str:
    context = chromium.new_context(base_url=product.url, storage_state=session_state)
    page = context.new_page()
    run = start_sample(page, words=1200)
    wait_for_end(page)
    context.close()
    return run


@pytest.mark.parametrize(("language", "width", "dark"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_used(
    open_page: Any, ended_run: str, name: str, language: str, width: int, dark: bool
) -> None:
    page: Page = open_page(PAGES[name].format(run=ended_run), language=language, width=width, dark=dark)
    page.wait_for_load_state("load")

    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    theme = "dark" if dark else "light"
    shoot(page, f"{name}-{language}-{width}-{theme}")

    assert page.locator("h1, h2").count() >= 1
    assert overflow <= 0
    assert page.evaluate(UNNAMED) == []
    assert violations(page) == []
    if width < 769:
        assert page.evaluate(SMALL_TARGETS) == []
