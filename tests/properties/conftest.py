"""Property tests go deeper when asked: ENGINE_EXAMPLES=5000 runs so many examples of each."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "6"))

settings.register_profile(
    "engine",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="ENGINE_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.load_profile("engine")
