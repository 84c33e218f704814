"""English and Chinese, both complete: the catalogue has every text, and no page of one language speaks the other."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib
import pytest
from django.conf import settings
from django.utils import translation

from apps.accounts.models import User
from apps.agents.models import Agent, Dialect
from apps.portal.sentences import SENTENCES
from apps.workflows.forms import sample_cards
from apps.workflows.sample_words import WORDS as SAMPLE_WORDS
from orchestra.errors import OrchestraError
from orchestra.llm.catalogue import known_models
from tests.needs import need
from tests.portal.markup import Page
from tests.portal.places import GONE_PAGES, MORE_PAGES, OPEN_PAGES, PAGES

ROOT = Path(settings.BASE_DIR)
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
HOLDS = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
NOT_TRANSLATED = re.compile(
    # Addresses, time zones, prefixes of keys.
    r"[\w.+-]+@[\w.-]+|https?://\S+|\w+_per_minute|concurrency|\b[A-Z]\w+(/[\w -]+)+|ork_\w+|127\.0\.0\.1"
    # Names that expressions use, and names of samples.
    r"|\bdue_at\b|\btrigger\b|\bbody\b|\bheaders\b|\bquery\b|\brun\.\w+|\bagent\b|\bbrief\b|\breview\b"
    # Names and words that are the same in both languages.
    r"|Orchestra|OpenAI|Anthropic|Celery|API|JSON( Schema)?|YAML|HTTP|URL|UTC|PNG|JPEG|WebP|MB|GB|Cookie|vLLM|Ollama"
    r"|token|messages|ASCII|Ctrl|Tab|Esc(ape)?|Enter|Shift|English|/v1|Webhook|cron"
    # Dialects, and how capabilities, fallbacks and members are written.
    r"|Chat completions|\bresponses\b|Gemini|Google|Simulated model|\btranslate\b|languages=de|\bfr\b|summarise"
    r"|\bspare\b|/?\bmodel\b|other-model|this-model|east\*2|\bwest\b|ORCHESTRA_\w+|MCP|OpenAPI"
    r"|\bretries\b|\w+_seconds|\w+_failures|\bprices\b"
    # Functions of the installation.
    r"|count_words|\becho\b|\bfibo\b|\bnoop\b|split_text|\btest_\w+"
    # What the people of the tests wrote.
    r"|Olga Owner|OO|\bada\b|Writers?|Writes|Main provider|gpt-x|cdef|writer?"
)
OWN_NAME = "简体中文"


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE))


def test_every_text_is_translated(catalogue: polib.POFile) -> None:
    missing = [entry.msgid for entry in catalogue.untranslated_entries() if not entry.obsolete]

    assert missing == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []


def test_translations_keep_the_places_of_values(catalogue: polib.POFile) -> None:
    wrong = []
    for entry in catalogue:
        texts = [entry.msgstr, *entry.msgstr_plural.values()]
        asked = _places(entry.msgid) | _places(entry.msgid_plural)
        wrong += [entry.msgid for text in texts if text and _places(text) != asked]

    assert wrong == []


def test_the_compiled_catalogue_is_the_written_one(catalogue: polib.POFile) -> None:
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))

    assert {_key(e): _said(e) for e in compiled} == {_key(e): _said(e) for e in catalogue}


def test_the_catalogue_has_every_text_of_the_product(catalogue: polib.POFile, tmp_path: Path) -> None:
    need(shutil.which("xgettext"), "GNU gettext is not installed (package gettext).")
    for name in ("apps", "orchestra", "templates", "workers", "locale"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", tmp_path)

    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "orchestra.settings"}
    command = [sys.executable, "manage.py", "makemessages", "-l", "zh_Hans", "--no-location", "--no-wrap"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=100, check=True)

    fresh = polib.pofile(str(tmp_path / CATALOGUE.relative_to(ROOT)))
    assert {_key(e) for e in fresh if not e.obsolete} == {_key(e) for e in catalogue}


def test_every_error_s_own_words_are_in_the_catalogue() -> None:
    for package in ("apps", "orchestra"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)

    defaults = {error.default_message() for error in _family(OrchestraError)}

    assert defaults == SENTENCES


def test_every_sample_s_own_words_are_in_the_catalogue() -> None:
    with translation.override("en"):
        said = {words for card in sample_cards() for words in (card["title"], card["text"])}

    assert said == SAMPLE_WORDS


@pytest.mark.parametrize("url", [*PAGES.values(), *MORE_PAGES])
def test_a_chinese_page_says_nothing_in_english(url: str, browse: Any, owner: User, agent: Agent) -> None:
    owner.language = "zh-hans"
    owner.save()

    texts = Page(browse(owner).get(url).content.decode()).texts

    assert _english(texts) == []


@pytest.mark.parametrize("url", [*OPEN_PAGES, *GONE_PAGES, "/nothing-here"])
@pytest.mark.django_db
def test_a_chinese_page_for_strangers_says_nothing_in_english(url: str, browse: Any) -> None:
    page = Page(browse(None, "zh-hans").get(url).content.decode())

    is_guide = url == "/styleguide"
    assert is_guide or _english(page.texts) == []
    assert any("一" <= letter <= "鿿" for text in page.texts for letter in text)


@pytest.mark.parametrize("url", [*PAGES.values(), *MORE_PAGES])
def test_an_english_page_says_nothing_in_chinese(url: str, browse: Any, owner: User, agent: Agent) -> None:
    texts = Page(browse(owner).get(url).content.decode()).texts

    assert [text for text in texts if re.search(r"[一-鿿]", text) and text != OWN_NAME] == []


def test_words_of_the_glossary_are_used() -> None:
    with translation.override("zh-hans"):
        said = {
            word: translation.gettext(word) for word in ("Workflows", "Runs", "Agents", "Connections", "Team")
        }

    assert said == {
        "Workflows": "工作流",
        "Runs": "运行",
        "Agents": "智能体",
        "Connections": "模型连接",
        "Team": "团队",
    }


def _english(texts: list[str]) -> list[str]:
    """Return the texts in which words are left that are neither names nor the same in both languages."""
    offered = [model for dialect in Dialect.values for model in known_models(dialect)]
    models = {name for model in offered for name in (model.id, model.title)}
    others = (text for text in texts if text not in models)
    return [text for text in others if re.search(r"[A-Za-z]{2,}", NOT_TRANSLATED.sub("", text))]


def _places(text: str) -> set[str]:
    return {one or other for one, other in HOLDS.findall(text)}


def _key(entry: Any) -> tuple[str | None, str, str]:
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def _said(entry: Any) -> tuple[str, ...]:
    return (entry.msgstr, *(text for _number, text in sorted(entry.msgstr_plural.items())))


def _family(error: type[OrchestraError]) -> Iterator[type[OrchestraError]]:
    """Yield an error class and all below it, but not those that tests have made."""
    if not error.__module__.startswith("tests"):
        yield error
    for child in error.__subclasses__():
        yield from _family(child)
