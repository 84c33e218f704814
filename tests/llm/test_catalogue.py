"""Prices and known models, from the data that ships with the product."""

from __future__ import annotations

import pytest

from orchestra.llm.catalogue import cost, known_models, prices_of


def test_given_prices_win() -> None:
    assert cost("gpt-4o", 1_000_000, 500_000, (3.0, 8.0)) == pytest.approx(7.0)


def test_a_known_model_has_a_price() -> None:
    assert cost("gpt-4o", 1000, 1000) > 0
    assert cost("gpt-4o", 2000, 0) == pytest.approx(2 * cost("gpt-4o", 1000, 0))


def test_the_simulated_model_and_unknown_ones_cost_nothing() -> None:
    assert cost("simulated-1", 1000, 1000) == 0
    assert cost("nobody-knows-this", 1000, 1000) == 0
    assert prices_of("simulated-1") == (0.0, 0.0)
    assert prices_of("nobody-knows-this") is None


def test_prices_are_per_million_tokens() -> None:
    prices = prices_of("gpt-4o", "https://api.openai.com/v1")

    assert prices is not None
    assert cost("gpt-4o", 1000, 2000) == pytest.approx((1000 * prices[0] + 2000 * prices[1]) / 1e6)


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini", "simulated"])
def test_each_dialect_has_models_to_choose_from(dialect: str) -> None:
    models = known_models(dialect)

    assert models
    assert len({model.id for model in models}) == len(models)


def test_an_unknown_dialect_has_none() -> None:
    assert known_models("other") == ()
