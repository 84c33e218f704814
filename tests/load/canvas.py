"""`python -m tests.load.canvas`: how fluid the designer is with many nodes; prints milliseconds per frame."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, log_in
from tests.browser.product import Product, start_product

WIDTH = 15
STEPS = 90
RECORD = """
() => {
  window.frames_ = []
  let last = performance.now()
  const tick = (now) => {
    window.frames_.push(now - last)
    last = now
    window.ticking_ = requestAnimationFrame(tick)
  }
  window.ticking_ = requestAnimationFrame(tick)
}
"""
EMPTY = """
() => {
  for (let y = 880; y > 200; y -= 7)
    for (let x = 560; x < 1200; x += 7)
      if (document.elementFromPoint(x, y)?.classList.contains('svelte-flow__pane')) return [x, y]
}
"""


def definition(nodes: int) -> dict[str, Any]:
    """Return a workflow of that many nodes, in rows of 15, each after two of the row above."""
    made: dict[str, Any] = {}
    for index in range(nodes):
        row, column = divmod(index, WIDTH)
        above = {f"n{(row - 1) * WIDTH + column}", f"n{(row - 1) * WIDTH + (column + 1) % WIDTH}"}
        node: dict[str, Any] = {"kind": "transform", "settings": {"value": index}}
        node["ui"] = {"x": column * 270, "y": row * 130}
        made[f"n{index}"] = {**node, "needs": sorted(above)} if row else node
    return {"orchestra": 1, "name": "Large", "nodes": made}


def frames(page: Page, act: Any) -> list[float]:
    """Return the milliseconds of each frame while something is done."""
    page.evaluate(RECORD)
    act()
    found: list[float] = page.evaluate(
        "() => { cancelAnimationFrame(window.ticking_); return window.frames_.slice(2) }"
    )
    return found


def pan(page: Page) -> None:
    x, y = page.evaluate(EMPTY)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(x + step * 2, y - step * 3)
    page.mouse.up()


def zoom(page: Page) -> None:
    page.mouse.move(800, 500)
    for step in range(STEPS):
        page.mouse.wheel(0, -60 if step < STEPS // 2 else 60)


def drag(page: Page) -> None:
    box = page.locator(".svelte-flow__node").nth(5).bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(box["x"] + 20 + step * 3, box["y"] + 10 + step * 2)
    page.mouse.up()


def measure(product: Product, nodes: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(base_url=product.url, viewport={"width": 1440, "height": 900})
        log_in(page, product.login_link())
        page.goto("/workflows/large/design/")
        page.locator(".svelte-flow__node").first.wait_for()
        page.wait_for_timeout(1500)
        for name, act in (("pan", pan), ("zoom", zoom), ("drag a node", drag)):
            found = sorted(frames(page, lambda act=act: act(page)))
            middle, late = statistics.median(found), found[int(len(found) * 0.95)]
            print(
                f"{nodes} nodes, {name:12} median {middle:5.1f} ms, 95 % {late:5.1f} ms, {len(found)} frames"
            )
        browser.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nodes", type=int, default=300)
    nodes = arguments.parse_args().nodes
    with tempfile.TemporaryDirectory() as folder:
        product = start_product(Path(folder))
        try:
            made = Path(folder) / "large.json"
            made.write_text(json.dumps(definition(nodes)))
            code = (
                "import json; from apps.accounts.models import Team, User; from apps.workflows import actions; "
                f"actions.create_workflow(team=Team.objects.get(slug={product.team!r}), name='Large', "
                f"definition=json.load(open({str(made)!r})), by=User.objects.get(username={product.operator!r}))"
            )
            product.command("shell", "-c", code)
            measure(product, nodes)
        finally:
            product.stop()


if __name__ == "__main__":
    main()
