"""The verdict of a monitor, from those about its single figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from viridian.api.monitoring import Drift, Source
from viridian.judgement.figures import Figure, MonitorVerdict, format_percent, overall, reaches
from viridian.monitoring.monitor_report import MonitorResult

RANKS: Final = {verdict: rank for rank, verdict in enumerate(MonitorVerdict)}


def judged_again(result: MonitorResult, figures: Sequence[Figure]) -> MonitorResult:
    """The result where its figures have other verdicts."""
    ordered = tuple(sorted(figures, key=severity))
    verdict, sentence = verdict_of(result.source, ordered)
    return replace(result, verdict=verdict, sentence=sentence, figures=ordered)


def severity(figure: Figure) -> tuple[int, float, str]:
    """Fired ones first, and of those the farthest beyond its threshold."""
    effect = figure.bound if figure.verdict is MonitorVerdict.FIRED else figure.value
    return RANKS[figure.verdict], -abs(effect or 0.0), figure.feature


def verdict_of(source: Source, figures: Sequence[Figure]) -> tuple[MonitorVerdict, str]:
    """The verdict and its sentence; `figures` has the gravest first."""
    fired = [figure for figure in figures if figure.verdict is MonitorVerdict.FIRED]
    judged = [figure for figure in figures if figure.verdict is not MonitorVerdict.INSUFFICIENT_DATA]
    if isinstance(source, Drift) and source.share is not None and judged:
        return _share(source.share, figures, fired)
    verdict = overall(figure.verdict for figure in figures)
    if not figures:
        return verdict, "the model has no feature that this can be asked of"
    if verdict is MonitorVerdict.QUIET and len(judged) > 1:
        return verdict, f"none of {len(judged)} features has drifted; the farthest: {judged[0].sentence}"
    more = f"; {len(fired) - 1} more have drifted" if len(fired) > 1 else ""
    return verdict, f"{figures[0].sentence}{more}"


def is_enough(share: float | None, drifted: int, watched: int) -> bool:
    """Whether so many drifted features fire a monitor; without a share one is enough."""
    return drifted > 0 and (share is None or reaches(drifted / watched, share))


def _share(asked: float, figures: Sequence[Figure], fired: Sequence[Figure]) -> tuple[MonitorVerdict, str]:
    """Features that cannot be judged may have drifted or not. Where they decide, there is no verdict."""
    unknown = [figure for figure in figures if figure.verdict is MonitorVerdict.INSUFFICIENT_DATA]
    reached, possible = len(fired) / len(figures), (len(fired) + len(unknown)) / len(figures)
    shares = f"({format_percent(reached)}), {format_percent(asked)} are asked for"
    summary = f"{len(fired)} of {len(figures)} features have drifted {shares}"
    if is_enough(asked, len(fired), len(figures)):
        return MonitorVerdict.FIRED, f"{summary}; {fired[0].sentence}"
    if unknown and reaches(possible, asked):
        return (
            MonitorVerdict.INSUFFICIENT_DATA,
            f"{summary}, and {len(unknown)} cannot be judged; {unknown[0].sentence}",
        )
    return MonitorVerdict.QUIET, f"{summary}; {fired[0].sentence}" if fired else summary
