"""The names of the figures that unit tests tell."""

from __future__ import annotations

KILLS = "killed after every k-th write (P4)"
FALSE_ALARMS = "false alarms of the judge, error-rate 1 %, 50 requests/s, looks each second for 10 minutes"
