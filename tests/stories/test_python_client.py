"""Somebody tries the Python client by its README: every example there runs, against a real installation."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from tests.browser.product import ROOT
from tests.stories.conftest import Client

PACKAGES = ROOT / "sdk" / "python"
WRITES = {
    "orchestra": 1,
    "nodes": {"say": {"kind": "llm", "settings": {"prompt": "Say something.", "connection": "simulated"}}},
    "output": "{{ nodes.say.output.text }}",
}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PACKAGES))


def test_the_examples_of_the_readme_run(client: Client) -> None:
    readme = (PACKAGES / "orchestra_client" / "README.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    known: dict[str, Any] = {"URL": client.url, "KEY": client.key}

    for example in examples:
        exec(compile(example, "README.md", "exec"), known)  # noqa: S102  (our own examples)

    assert len(examples) == 6
    assert known["ended"].status == "succeeded"


def test_what_a_model_writes_arrives_piece_by_piece_and_is_in_the_usage(client: Client) -> None:
    from orchestra_client import Client as Orchestra

    slug = next(row["slug"] for row in client.get("connections")["results"] if row["dialect"] == "simulated")
    orchestra = Orchestra(client.url, key=client.key)
    WRITES["nodes"]["say"]["settings"]["connection"] = slug
    workflow = orchestra.publish("Client writes", WRITES)
    before = orchestra.usage("workflow", workflow=workflow.slug).total

    run = orchestra.start(workflow.slug)
    text = "".join(orchestra.stream.text(run.id, "say"))
    ended = orchestra.wait(run.id)

    assert ended.status == "succeeded", ended.error
    assert text == ended.output
    used = orchestra.usage("run", workflow=workflow.slug)
    assert before.calls == 0
    assert [(line.key, line.output_tokens) for line in used.lines] == [(run.id, ended.output_tokens)]
    assert "orchestra_client" in sys.modules
