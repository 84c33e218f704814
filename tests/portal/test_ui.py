"""The components as template tags, and figures as people read them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template, TemplateSyntaxError
from django.utils import timezone, translation

from apps.accounts.models import User
from apps.portal import charts
from apps.portal.templatetags.figures import compact, duration, money, pretty
from apps.portal.templatetags.ui import STATUS_LABELS
from orchestra.engine.status import NodeStatus, RunStatus
from tests.portal.markup import Page

ROOT = Path(settings.BASE_DIR)


class SmallForm(forms.Form):
    name = forms.CharField(help_text="Any name.")
    note = forms.CharField(required=False)
    agreed = forms.BooleanField()


def render(source: str, **values: Any) -> str:
    return Template("{% load ui figures %}" + source).render(Context(values))


def test_a_button_is_of_its_variant_and_size() -> None:
    html = render("{% button 'Go' variant='ghost' size='lg' type='submit' data_run_id=7 disabled=True %}")

    tag = Page(html).tags[0]
    assert {"is-ghost", "is-lg"} <= set(tag.attributes["class"].split())
    assert (tag.attributes["type"], tag.attributes["data-run-id"]) == ("submit", "7")
    assert "disabled" in tag.attributes


def test_a_loading_button_is_busy_and_cannot_be_pressed() -> None:
    tag = Page(render("{% button 'Go' loading=True %}")).tags[0]

    assert tag.attributes["aria-busy"] == "true"
    assert "disabled" in tag.attributes


def test_a_button_with_an_address_is_a_link() -> None:
    tag = Page(render("{% button 'Go' href='/there' %}")).tags[0]

    assert (tag.name, tag.attributes["href"]) == ("a", "/there")


def test_a_button_without_words_still_has_a_name() -> None:
    tag = Page(render("{% button 'Close' icon='close' icon_only=True %}")).tags[0]

    assert tag.attributes["aria-label"] == "Close"


def test_what_people_wrote_is_escaped_everywhere() -> None:
    evil = '<script>alert(1)</script>" onmouseover="x'

    html = render(
        "{% button evil data_x=evil %}{% badge evil %}{% code evil title=evil %}{% stat evil evil evil %}"
        "{% empty evil evil %}{% ui 'card' title=evil data_y=evil %}{{ evil }}{% endui %}{% status evil %}",
        evil=evil,
    )

    page = Page(html)
    assert "<script>" not in html
    assert not [tag for tag in page.tags if "onmouseover" in tag.attributes]


@pytest.mark.parametrize("value", sorted({*map(str, RunStatus), *map(str, NodeStatus)}))
def test_a_status_has_an_icon_and_a_word(value: str) -> None:
    page = Page(render("{% status value %}", value=value))

    icon = page.find("use")[0].attributes["href"]
    assert page.find("span", data_status=value)
    assert page.texts == [STATUS_LABELS[value]]
    assert icon.endswith(f"#status-{value}")


def test_a_component_puts_body_and_slots_in_their_places() -> None:
    html = render(
        "{% ui 'card' title='T' id='c' %}{% slot 'actions' %}ACT{% endslot %}BODY{{ x }}"
        "{% slot 'footer' %}FOOT{% endslot %}{% endui %}",
        x="!",
    )

    assert re.search(r"card-header.*ACT.*card-body[^>]*>BODY!.*card-footer.*FOOT", html, re.DOTALL)
    assert html.count("ACT") == 1


def test_components_stand_in_components() -> None:
    html = render("{% ui 'card' %}{% ui 'alert' tone='error' title='No' %}inner{% endui %}{% endui %}")

    assert re.search(r"card-body.*alert is-error.*inner", html, re.DOTALL)


def test_a_component_takes_no_loose_words() -> None:
    with pytest.raises(TemplateSyntaxError):
        render("{% ui 'card' loose %}{% endui %}")


def test_a_field_ties_help_and_errors_to_its_input() -> None:
    form = SmallForm({"name": "", "agreed": ""})

    page = Page(render("{% field form.name %}", form=form))

    control = page.find("input")[0].attributes
    assert control["aria-describedby"] == "id_name_help id_name_errors"
    assert control["aria-invalid"] == "true"
    assert page.find("label", _for="id_name")
    assert page.find("ul", id="id_name_errors")


def test_a_field_says_when_it_may_stay_empty() -> None:
    optional, required = (
        render("{% field form.note %}", form=SmallForm()),
        render("{% field form.name %}", form=SmallForm()),
    )

    assert "(optional)" in optional
    assert "(optional)" not in required


def test_an_icon_that_is_named_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons.svg").read_text()))
    sources = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)

    named = set(re.findall(r"\{% icon '([a-z-]+)' ?['%a-z]", text)) | set(
        re.findall(r"\bicon='([a-z-]+)'", text)
    )

    assert named - drawn == set()
    assert {f"status-{status}" for status in (*RunStatus, *NodeStatus)} <= drawn


def test_initials_stand_for_a_missing_picture() -> None:
    named = render("{% avatar u %}", u=User(username="ada", display_name="Ada King Lovelace"))
    unnamed = render("{% avatar u %}", u=User(username="bob"))

    assert (Page(named).texts, Page(unnamed).texts) == (["AL"], ["b"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0.42, "0.4 s"),
        (12, "12 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_is_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (0, "0", "0"),
        (950, "950", "950"),
        (1000, "1k", "1,000"),
        (12_840, "12.8k", "1.3万"),
        (3_100_000, "3.1M", "310万"),
        (200_000_000, "200M", "2亿"),
        (None, "—", "—"),
    ],
)
def test_a_count_is_short_in_both_languages(value: int | None, english: str, chinese: str) -> None:
    with translation.override("en"):
        assert compact(value) == english
    with translation.override("zh-hans"):
        assert compact(value) == chinese


@pytest.mark.parametrize(
    ("value", "text"), [("0", "$0.00"), ("0.0042", "$0.0042"), ("3.4812", "$3.48"), ("1234.5", "$1234.50")]
)
def test_a_cost_keeps_the_digits_that_matter(value: str, text: str) -> None:
    assert money(Decimal(value)) == text


def test_json_is_written_for_people_and_text_stays_text() -> None:
    assert pretty({"名": 1}) == '{\n  "名": 1\n}'
    assert pretty("plain") == "plain"


def test_a_time_says_how_long_ago_and_when_exactly() -> None:
    moment = timezone.now() - timedelta(hours=2)

    with translation.override("en"):
        tag = Page(render("{% ago moment %}", moment=moment)).find("time")[0]

    assert tag.attributes["datetime"] == moment.isoformat()
    assert "data-ago" in tag.attributes
    assert str(moment.year) in (tag.attributes["title"] or "")


def test_bars_are_in_proportion_and_zero_can_be_seen() -> None:
    drawn = charts.bars([0, 5, 10], ["a", "b", "c"])

    assert [bar.height for bar in drawn] == [1.0, charts.HEIGHT / 2, charts.HEIGHT]
    assert [bar.label for bar in drawn] == ["a", "b", "c"]
    assert all(bar.y + bar.height == charts.HEIGHT for bar in drawn)
    assert drawn[-1].x + drawn[-1].width <= charts.WIDTH


@pytest.mark.parametrize("values", [[], [0, 0], [7]])
def test_a_chart_of_little_is_still_a_chart(values: list[float]) -> None:
    html = render("{% chart values kind='line' %}{% chart values %}", values=values)

    assert html.count("<svg") == 2
    assert "nan" not in html.lower()


def test_a_chart_can_be_read_without_seeing_it() -> None:
    html = render("{% chart values labels title='Runs' %}", values=[3], labels=["Mon"])

    assert re.search(r"<th scope=\"row\">Mon</th>\s*<td>3", html)
