"""Versions whose rollout holds its weight: those that a RetrainPolicy made which has found bad data since then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from viridian.api import reasons
from viridian.core.conditions import conditions_in
from viridian.core.lookup import dig, entries, text

_BAD: Final = (reasons.DATA_QUALITY_FAILED, reasons.MONITOR_FIRED)
"""Reasons of `DataQuality=False` that no person has overridden."""


def held_versions(policies: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """Version to why it holds, as the policies of the ModelDeployment show it.

    Several policies may make versions of one model. Bad data of one concern the versions that this one has handed over.
    """
    found: dict[str, str] = {}
    for policy in policies:
        why = _bad_data(policy)
        for run in entries(policy, "status", "runs") if why else ():
            version = text(run, "version")
            if version and text(run, "outcome") == reasons.HANDED_OVER:
                found[version] = why
    return found


def _bad_data(policy: Mapping[str, Any]) -> str:
    """The sentence about the data that the policy holds to be bad; empty where there is none."""
    name = text(policy, "metadata", "name")
    for condition in conditions_in(dig(policy, "status", "conditions")):
        kind, status, reason = (condition.get(key) for key in ("type", "status", "reason"))
        if kind == reasons.DATA_QUALITY and status == "False" and reason in _BAD:
            return f"RetrainPolicy {name} to have good data again ({condition.get('message', '')})"
    return ""
