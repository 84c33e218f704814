"""Talking to an agent: the answer streams, survives a reload, is stopped, written anew, and forked by an edit."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import shoot
from tests.browser.steps import document
from tests.browser.test_every_page import SMALL_TARGETS, UNNAMED, violations

LAST = "[data-message-id]:last-child"
CUTS = """async () => {
  const { lastBreak } = await import('/static/js/chat_text.js')
  const texts = ['open', 'done\\n\\nopen', 'a\\n\\n```\\nx\\n\\ny', '```\\nx\\n\\ny\\n```\\n\\nz']
  return texts.map((text) => lastBreak(text, 0))
}"""


def say(page: Page, text: str) -> None:
    page.locator("[data-chat-send] textarea").fill(text)
    page.locator("[data-chat-send] textarea").press("Enter")


def written(page: Page) -> str:
    """Return what has been written of the answer, once there is some."""
    expect(page.locator("[data-chat-writing]")).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=30_000)
    return page.locator("[data-chat-writing]").inner_text()


def test_a_conversation_with_an_agent(open_page: Any) -> None:
    page: Page = open_page("/chat/?with=agent:writer")
    expect(page.locator("select[name=partner]")).to_have_value("agent:writer")
    page.locator("textarea[name=text]").fill(f"Rewrite [[simulate tps=20]] this:\n\n{document(500)}")
    page.locator("[data-chat-new] button[type=submit]").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))

    before = " ".join(written(page).split()[:3])
    page.reload()
    assert before in " ".join(written(page).split())
    say(page, "And what else?")
    expect(page.locator("[data-message-status=waiting]")).to_have_count(1)
    page.locator("[data-chat-stop] button").click()
    expect(page.locator("[data-message-status=stopped]")).to_contain_text(before)
    expect(page.locator(LAST)).to_have_attribute("data-message-status", "done", timeout=60_000)
    expect(page.locator("[data-chat-stop]")).to_be_hidden()

    first = page.locator(LAST).get_attribute("data-message-id") or ""
    page.locator(f"{LAST} [data-chat-act] button").click()
    expect(page.locator(LAST)).not_to_have_attribute("data-message-id", first)
    expect(page.locator(LAST)).to_have_attribute("data-message-status", "done", timeout=60_000)
    shoot(page, "conversation-en-1440-light")
    assert violations(page) == []
    assert page.evaluate(CUTS) == [0, 6, 3, 14]

    old = page.url
    page.locator(".chat-edit summary").last.click()
    page.locator(".chat-edit[open] textarea").fill("Something else [[answer **Bold** and done.]]")
    page.locator(".chat-edit[open] button[type=submit]").click()
    page.wait_for_url(lambda url: url != old)
    expect(page.locator(f"{LAST} strong")).to_have_text("Bold", timeout=60_000)

    phone: Page = open_page(page.url, language="zh-hans", width=360, dark=True)
    shoot(phone, "conversation-zh-hans-360-dark")
    overflow = phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert phone.evaluate(UNNAMED) == []
    assert violations(phone) == []
    assert phone.evaluate(SMALL_TARGETS) == []
