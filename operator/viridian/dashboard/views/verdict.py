"""A verdict of the judge with its evidence beside what the evidence must reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.modeldeployment_status import MetricStatus
from viridian.core.lookup import dig, entries
from viridian.dashboard.views.moments import number
from viridian.judgement.canary import CanaryVerdict

_ROLLBACK_EVIDENCE: Final = 100.0
"""The schema's default."""
_SYMBOLS: Final[Mapping[str, tuple[str, str]]] = {
    CanaryVerdict.PASS: ("✓", "good"),
    CanaryVerdict.BREACH: ("✕", "bad"),
}
_BLIND: Final = ("?", "neutral")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One metric of the challenger."""

    name: str
    verdict: str
    symbol: str
    kind: str
    value: str
    champion: str
    bound: str
    samples: int
    evidence: str
    needed: str
    percent: float | None
    """How far the evidence has come towards a breach, on a logarithmic scale; None without evidence."""
    message: str


def verdicts(spec: Mapping[str, Any], metrics: tuple[MetricStatus, ...]) -> Iterator[Verdict]:
    """In the order of the status."""
    analysis = dig(spec, "rollout", "analysis")
    needed = _float(dig(analysis, "judge", "rollbackEvidence")) or _ROLLBACK_EVIDENCE
    bounds = {str(one.get("name")): one for one in entries(analysis, "metrics")}
    for metric in metrics:
        symbol, kind = _SYMBOLS.get(metric.verdict, _BLIND)
        yield Verdict(
            name=metric.name,
            verdict=metric.verdict,
            symbol=symbol,
            kind=kind,
            value=number(metric.value),
            champion=number(metric.champion),
            bound=_bound(bounds.get(metric.name, {})),
            samples=metric.samples,
            evidence=number(metric.evidence),
            needed=number(needed),
            percent=_progress(metric.evidence, needed),
            message=metric.message,
        )


def _bound(metric: Mapping[str, Any]) -> str:
    parts = [
        f"{word} {number(value)}"
        for word, field in (("at most", "max"), ("at least", "min"))
        if (value := _float(metric.get(field))) is not None
    ]
    if (share := _float(dig(metric, "worseThanChampionBy", "relative"))) is not None:
        parts.append(f"champion + {share:.3g} of it")
    if (added := _float(dig(metric, "worseThanChampionBy", "absolute"))) is not None:
        parts.append(f"champion + {added:.3g}")
    return ", ".join(parts) or "–"


def _progress(evidence: float | None, needed: float) -> float | None:
    """1 is no evidence at all, and evidence multiplies: so its logarithm is what grows steadily."""
    if evidence is None or math.isnan(evidence):
        return None
    if evidence <= 1 or needed <= 1:
        return 100.0 if evidence >= needed else 0.0
    return round(min(100.0, 100 * math.log(evidence) / math.log(needed)), 1)


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
