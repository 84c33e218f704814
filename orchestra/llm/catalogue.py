"""Which models are known and what they cost: offline price data, an installation's own numbers first."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from orchestra.llm.simulated import MODELS as SIMULATED

MILLION = 1_000_000
PROVIDERS = {"openai": "openai", "responses": "openai", "anthropic": "anthropic", "gemini": "google"}

Prices = tuple[float, float]
"""Money per million input and output tokens."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model for choosing from: prices None when unknown."""

    id: str
    title: str
    provider: str
    context_window: int | None
    prices: Prices | None


def cost(model: str, input_tokens: int, output_tokens: int, prices: Prices | None = None) -> float:
    """Return the money for these tokens: by `prices` if given, else by the catalogue; 0 if unknown."""
    if prices is not None:
        return (input_tokens * prices[0] + output_tokens * prices[1]) / MILLION
    if model in SIMULATED:
        return 0.0
    found = _calculated(model, "", input_tokens, output_tokens)
    return 0.0 if found is None else found[0] + found[1]


@lru_cache(maxsize=512)
def prices_of(model: str, base_url: str = "") -> Prices | None:
    """Return a model's prices: at the provider with this base URL if it is known, else by name."""
    if model in SIMULATED:
        return (0.0, 0.0)
    found = _calculated(model, base_url, 1000, 1000) or _calculated(model, "", 1000, 1000)
    return None if found is None else (found[0] * 1000, found[1] * 1000)


@lru_cache(maxsize=8)
def known_models(dialect: str) -> tuple[KnownModel, ...]:
    """Return the models to offer for a dialect (`openai`, `gemini`, `simulated` …), without retired ones."""
    if dialect == "simulated":
        return tuple(KnownModel(name, "Simulated model", "simulated", None, (0.0, 0.0)) for name in SIMULATED)
    from genai_prices import data_snapshot

    for provider in data_snapshot.get_snapshot().providers:
        if provider.id == PROVIDERS.get(dialect):
            known = [_known(model, provider.id) for model in provider.models if not model.deprecated]
            return tuple(sorted(known, key=lambda model: model.id))
    return ()


def _known(model: Any, provider: str) -> KnownModel:
    return KnownModel(
        id=model.id,
        title=model.name or model.id,
        provider=provider,
        context_window=model.context_window,
        prices=prices_of(model.id),
    )


def _calculated(model: str, base_url: str, input_tokens: int, output_tokens: int) -> Prices | None:
    # Imported on first use: the price data takes a third of a second to load.
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        found = calc_price(usage, model, provider_api_url=base_url or None)
    except (LookupError, ValueError):
        return None
    return float(found.input_price or Decimal(0)), float(found.output_price or Decimal(0))
