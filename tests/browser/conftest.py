"""Chromium in front of the real product. Pages are watched: an error, a refused resource or a foreign host fails."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.browser.product import ROOT, Product, start_product
from tests.needs import need

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = ROOT / "docs" / "screenshots"
LOCALES = {"en": "en-US", "zh-hans": "zh-CN"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package", autouse=True)
def _chromium_is_there() -> None:
    need(CHROMIUM.exists(), "Chromium is not installed (Debian's package chromium): no browser tests.")


@pytest.fixture(scope="package")
def product(_chromium_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    started = start_product(tmp_path_factory.mktemp("product"))
    yield started
    started.stop()


@pytest.fixture(scope="package")
def chromium(_chromium_is_there: None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def session_state(product: Product, chromium: Browser) -> Any:
    """Log in once by a one-time link and return the cookies."""
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, product.login_link())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained about; must be empty in the end (a test may clear what it provoked)."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_page(
    product: Product, chromium: Browser, session_state: Any, complaints: list[str]
) -> Iterator[Any]:
    """Return a function that opens a page of the logged-in operator: `open_page("/runs/", width=360)`."""
    contexts: list[BrowserContext] = []

    def open_it(path: str, *, language: str = "en", width: int = 1440, dark: bool = False) -> Page:
        context = chromium.new_context(
            base_url=product.url,
            storage_state=session_state,
            viewport={"width": width, "height": 900 if width > 500 else 780},
            locale=LOCALES[language],
            color_scheme="dark" if dark else "light",
            has_touch=width < 500,
        )
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "django_language", "value": language, "url": product.url}])
        contexts.append(context)
        page = context.new_page()
        watch(page, product.url, complaints)
        page.goto(path)
        return page

    yield open_it
    for context in contexts:
        context.close()


def watch(page: Page, base: str, complaints: list[str]) -> None:
    """Note errors of scripts, of the content policy, and every request that leaves the product."""

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{page.url}: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith((base, "data:", "blob:")):
            complaints.append(f"{page.url} asked {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("request", asked)


def log_in(page: Page, link: str) -> None:
    """Open a one-time link and press its button."""
    page.goto(link)
    page.locator("main button[type=submit]").click()
    page.wait_for_url(re.compile(r"^[^?]*//[^/]+/(\?.*)?$"))


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page for the documentation, when ORCHESTRA_SCREENSHOTS=1 asks for it."""
    if os.environ.get("ORCHESTRA_SCREENSHOTS") == "1":
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
