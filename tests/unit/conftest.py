"""What all unit tests share: how much chance is used, and the names of the figures that they tell."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Reproducible in CI; `HYPOTHESIS_PROFILE=long` searches further, and prints how to repeat what it finds.
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile("long", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

KILLS = "killed after every k-th write (P4)"
FALSE_ALARMS = "false alarms of the judge, error-rate 1 %, 50 requests/s, looks each second for 10 minutes"
