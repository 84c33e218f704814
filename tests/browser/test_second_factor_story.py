"""A person protects their account with an app and a passkey, and gets in by each of them and by a recovery code."""

from __future__ import annotations

import re

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import shoot, watch
from tests.browser.product import Product, run_command
from tests.browser.test_every_page import violations

KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PASSWORD = "a good long one 4 mona"
CODES = re.compile(r"\b\d{8}\b")


def log_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("mona")
    page.locator("input[name=password]").fill(PASSWORD)
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")


def set_up_app(page: Page) -> list[str]:
    """Turn the app on and return the recovery codes; a code may run out just before it is sent."""
    for _try in range(3):
        page.goto("/accounts/2fa/totp/activate/")
        secret = page.locator("[data-totp-secret]").get_attribute("data-totp-secret") or ""
        page.locator("input[name=code]").fill(
            format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
        )
        with page.expect_navigation():
            page.locator("[data-totp-secret] button[type=submit]").click()
        if page.locator(".recovery-codes").count():
            break
    return CODES.findall(page.locator(".recovery-codes").inner_text())


def test_an_account_is_protected(product: Product, chromium: Browser, complaints: list[str]) -> None:
    environment = {**product.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    run_command(environment, "createsuperuser", "--noinput", "--username", "mona", "--email", "m@example.org")
    base = product.url.replace("127.0.0.1", "localhost")  # keys are bound to names, not to addresses
    context = chromium.new_context(base_url=base)
    page = context.new_page()
    watch(page, base, complaints)
    keys = context.new_cdp_session(page)
    keys.send("WebAuthn.enable")
    keys.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})

    log_in(page)
    page.goto("/settings/security/")
    page.locator("[data-factor=totp] a").click()
    page.wait_for_url("**/accounts/reauthenticate/**")
    page.locator("input[name=password]").fill(PASSWORD)
    with page.expect_navigation():
        page.locator("input[name=password]").press("Enter")
    codes = set_up_app(page)
    assert len(codes) == 10
    assert violations(page) == []
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("input[name=passwordless]").check()
    page.locator("[data-passkey]").click()
    page.wait_for_url("**/settings/security/")
    expect(page.locator("[data-factor=totp]")).to_have_attribute("data-is-on", "1")
    shoot(page, "security-protected")

    context.clear_cookies()
    page.goto("/accounts/login/")
    page.locator("[data-passkey]").click()
    page.wait_for_url(f"{base}/")

    context.clear_cookies()
    log_in(page)
    page.wait_for_url("**/accounts/2fa/authenticate/**")
    assert violations(page) == []
    page.locator("[data-second-factor] input[name=code]").fill(codes[0])
    page.locator("[data-second-factor] button[type=submit]").click()
    page.wait_for_url(f"{base}/")
    context.close()
