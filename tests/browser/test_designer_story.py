"""Designing on the canvas: with the mouse, with the keyboard alone, and two people at once."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import shoot
from tests.browser.test_every_page import STILL, violations

STATE = "[data-designer-state]"


def make_empty(page: Page, name: str) -> str:
    """Make a workflow on an empty canvas and return its address."""
    page.goto("/workflows/new/")
    page.locator("#id_name").fill(name)
    page.locator("input[value=empty]").check()
    page.locator("[data-create] button[type=submit]").click()
    page.wait_for_url(re.compile(r"/design/$"))
    return page.url.removesuffix("design/")


def node(page: Page, name: str) -> Locator:
    return page.locator(f'.svelte-flow__node[data-id="{name}"]')


def middle(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def place_of(place: Locator) -> float:
    """Return how far to the right a node stands on the canvas, wherever that looks."""
    return float(place.evaluate("element => new DOMMatrix(element.style.transform).e"))


def move_by_key(page: Page, name: str) -> None:
    """Move the focused node to the right with a key, and wait until it stands there."""
    page.evaluate(STILL)
    aim = place_of(node(page, name)) + 60
    page.keyboard.press("Shift+ArrowRight")
    for _ in range(300):
        if place_of(node(page, name)) == aim:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{name} stands at {place_of(node(page, name))}, not at {aim}.")


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(end[0], end[1] - 12, steps=6)
    page.mouse.move(*end, steps=3)
    page.mouse.up()


def add_by_keys(page: Page, words: str, name: str) -> None:
    """Find a kind in the palette by typing, add a node of it, and wait until it has the keyboard."""
    page.keyboard.press("n")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(node(page, name)).to_be_focused()


def saved(page: Page) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator(STATE)).to_have_attribute("data-designer-state", "saved")


def definition(page: Page, place: str) -> Any:
    slug = place.rstrip("/").rsplit("/", 1)[-1]
    return page.request.get(f"/api/v1/workflows/{slug}/draft").json()["definition"]


def test_a_workflow_is_built_run_and_published_with_the_mouse(open_page: Any) -> None:
    page: Page = open_page("/")
    place = make_empty(page, "By mouse")
    palette = page.locator(".designer-palette")

    palette.locator("[data-kind=transform]").drag_to(
        page.locator(".designer-canvas"), target_position={"x": 300, "y": 140}
    )
    expect(page.locator("[data-side=node]")).to_be_visible()
    page.locator("#field-settings-value").fill('{"words": "Hello {{ inputs.who }}"}')
    drag(
        page,
        middle(node(page, "transform").locator(".svelte-flow__handle-bottom")),
        (middle(node(page, "transform"))[0], middle(node(page, "transform"))[1] + 160),
    )
    expect(page.locator(".designer-adding")).to_be_visible()
    palette.locator("[data-kind=branch]").click()
    expect(page.locator(".svelte-flow__edge")).to_have_count(1)
    page.locator("[data-problems]").click()
    page.locator("[data-side-workflow]").click()
    page.locator("[data-add-input]").click()
    page.locator(".designer-input input").first.fill("who")
    page.locator(".designer-input input").first.press("Enter")
    expect(page.locator(f"{STATE}[data-problem-count='0']")).to_be_visible()

    page.locator("[data-run]").click()
    page.locator("#field-who").fill("you")
    page.locator("[data-run-now]").click()

    expect(node(page, "transform").locator("[data-node-status=succeeded]")).to_be_visible(timeout=60_000)
    node(page, "transform").click()
    expect(page.locator("[data-last-output]")).to_contain_text("Hello you")
    shoot(page, "designer-run")
    page.locator("[data-publish]").click()
    page.locator("#publish-note").fill("Built by hand")
    page.locator("[data-publish-now]").click()
    page.locator("[data-side-versions]").click()
    expect(page.locator("[data-version='1']")).to_contain_text("Built by hand")
    built = definition(page, place)
    assert built["nodes"]["branch"]["needs"] == ["transform"]
    assert {"x", "y"} <= built["nodes"]["transform"]["ui"].keys()
    assert violations(page) == []


def test_a_workflow_is_built_with_the_keyboard_alone(open_page: Any) -> None:
    page: Page = open_page("/")
    place = make_empty(page, "By keyboard")
    keys = page.keyboard

    page.locator(STATE).wait_for()
    add_by_keys(page, "transf", "transform")
    keys.press("Enter")
    expect(page.locator("#node-title")).to_be_focused()
    keys.type("Begin")
    page.locator("#field-settings-value").focus()
    keys.type("1")
    keys.press("Escape")
    expect(node(page, "transform")).to_be_focused()
    add_by_keys(page, "transf", "transform_2")
    keys.press("Enter")
    page.locator("#field-settings-value").focus()
    keys.type("{{ nodes.tr")
    expect(page.locator(".designer-options [role=option]")).to_have_count(0)
    keys.press("Escape")
    expect(node(page, "transform_2")).to_be_focused()
    node(page, "transform").focus()
    keys.press("Space")
    keys.press("c")
    expect(page.locator("#connect-target")).to_have_value("transform_2")
    keys.press("Enter")
    expect(page.locator(".svelte-flow__edge")).to_have_count(1)
    node(page, "transform_2").focus()
    keys.press("Enter")
    page.locator("#field-settings-value").fill("")
    keys.type("{{ nodes.tr")
    expect(page.locator(".designer-options [role=option]").first).to_be_visible()
    keys.press("Enter")
    expect(page.locator("#field-settings-value")).to_have_value("{{ nodes.transform.output }}")
    keys.press("Escape")
    expect(node(page, "transform_2")).to_be_focused()
    move_by_key(page, "transform_2")
    expect(page.locator(STATE)).to_have_attribute("data-problem-count", "0")
    keys.press("Delete")
    expect(node(page, "transform_2")).to_have_count(0)
    keys.press("Control+z")
    expect(node(page, "transform_2")).to_have_count(1)
    saved(page)

    built = definition(page, place)
    assert built["nodes"]["transform"]["title"] == "Begin"
    assert built["nodes"]["transform_2"]["needs"] == ["transform"]
    keys.press("2")
    expect(page.locator(".designer-list ol > li")).to_have_count(2)
    assert violations(page) == []


def test_two_people_merge_what_they_can_and_decide_the_rest(open_page: Any, complaints: list[str]) -> None:
    mine: Page = open_page("/")
    place = make_empty(mine, "At once")
    mine.locator(STATE).wait_for()
    add_by_keys(mine, "transf", "transform")
    mine.locator("#field-settings-value").fill("1")
    saved(mine)
    theirs: Page = open_page(place + "design/")

    node(theirs, "transform").click()
    theirs.locator("#field-settings-value").fill("2")
    theirs.locator("#node-title").fill("Theirs")
    saved(theirs)
    mine.locator("#field-settings-value").fill("3")
    mine.locator("[data-palette-search]").fill("wait")
    mine.keyboard.press("Enter")
    mine.keyboard.press("Control+s")

    expect(mine.locator(".designer-pair")).to_have_count(1)
    expect(mine.locator(".designer-pair")).to_contain_text("2")
    assert violations(mine) == []
    shoot(mine, "designer-conflict")
    mine.locator(".designer-pair input[value=theirs]").check()
    mine.locator("[data-settle]").click()
    expect(mine.locator(STATE)).to_have_attribute("data-designer-state", "saved")
    nodes = definition(mine, place)["nodes"]
    assert (nodes["transform"]["title"], nodes["transform"]["settings"]["value"]) == ("Theirs", 2)
    assert "wait" in nodes
    complaints[:] = [found for found in complaints if "412" not in found]
