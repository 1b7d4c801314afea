"""`status.monitoring`: the results of the newest window in which a verdict changed, and what a person was asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from viridian.api.monitoring_status import (
    MAX_FIGURES,
    Distribution,
    FeatureDistribution,
    FigureStatus,
    FiringStatus,
    MonitoringStatus,
    MonitorStatus,
    ReviewStatus,
    ValueGroups,
)
from viridian.api.schema import MAX_WORD
from viridian.core.kube import without_empty
from viridian.core.times import format_time
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.monitoring.distributions import ValueShares
from viridian.monitoring.monitor_report import MonitoringReport, MonitorResult

_SHARE_DIGITS: Final = 4
_Meaning = tuple[str, frozenset[str], bool]
"""A verdict, the features shown that have fired, and whether anything was counted: too few is not none."""


def next_status(
    stored: Mapping[str, Any] | None, report: MonitoringReport | None, review: ReviewStatus | None
) -> Mapping[str, Any] | None:
    """The stored results as long as the report means the same, else those of the report; with the present review."""
    fresh = _results(report) if report is not None else None
    same = stored is not None and (fresh is None or _same(_meanings(stored), _meanings(fresh)))
    status = stored if same or fresh is None or report is None else _with_begin(fresh, stored, report)
    return _with_review(status, review) if status is not None else None


def stored_entries(status: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The results of single monitors in a status, which another client may have written."""
    return (entry for entry in _listed((status or {}).get("monitors")) if isinstance(entry, Mapping))


def stored_figures(entry: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The figures of one monitor in a status, which another client may have written."""
    return [figure for figure in _listed(entry.get("figures")) if isinstance(figure, Mapping)]


def is_firing(entry: Mapping[str, Any]) -> bool:
    """Whether a monitor has fired and is not quiet again. Too little data does not make it quiet."""
    verdict = entry.get("verdict")
    return verdict == MonitorVerdict.FIRED or (verdict != MonitorVerdict.QUIET and bool(entry.get("firingSince")))


def _results(report: MonitoringReport) -> dict[str, Any]:
    calendar = report.calendar
    whole = MonitoringStatus(
        revision=report.revision,
        start=format_time(datetime.fromtimestamp(calendar.start, UTC)),
        end=format_time(datetime.fromtimestamp(calendar.end, UTC)),
        monitors=tuple(map(_monitor, report.results)),
        distributions=tuple({name[:MAX_WORD]: _feature(name, one) for name, one in report.distributions}.values()),
        predictions=Distribution(**_shares(report.predictions)) if report.predictions is not None else None,
    )
    return without_empty(msgspec.to_builtins(whole))  # type: ignore[no-any-return]


def entry_of(result: MonitorResult, firing: FiringStatus) -> dict[str, Any]:
    """The result of one monitor, with the row of windows in which it has fired."""
    entry = msgspec.structs.replace(_monitor(result), firing=firing)
    return without_empty(msgspec.to_builtins(entry))  # type: ignore[no-any-return]


def _with_begin(
    fresh: Mapping[str, Any], stored: Mapping[str, Any] | None, report: MonitoringReport
) -> Mapping[str, Any]:
    """With the window since which each monitor fires, and the newest one that was beyond, of those that only last."""
    before = {str(entry.get("name")): entry for entry in stored_entries(stored) if is_firing(entry)}
    monitors = [
        _since(entry, result, before.get(result.name), str(fresh["end"]), str((stored or {}).get("end", "")))
        for entry, result in zip(stored_entries(fresh), report.results, strict=True)
    ]
    return {**fresh, "monitors": monitors}


def _since(
    entry: Mapping[str, Any], result: MonitorResult, before: Mapping[str, Any] | None, end: str, stored_end: str
) -> Mapping[str, Any]:
    if result.verdict is MonitorVerdict.QUIET or (before is None and result.verdict is not MonitorVerdict.FIRED):
        return entry
    since = end if before is None else before.get("firingSince") or stored_end
    with_since = {**entry, "firingSince": since}
    if before is None or result.beyond:
        return with_since
    last = {"windows": 1, "last": stored_end if before.get("verdict") == MonitorVerdict.FIRED else since}
    return {**with_since, "firing": before.get("firing") or last}


def _monitor(result: MonitorResult) -> MonitorStatus:
    # Before anything is known of a feature no statistic suits it: the sentence says that, and there is no figure.
    figures = [figure for figure in result.figures if figure.measure]
    return MonitorStatus(
        name=result.name,
        verdict=result.verdict.value,
        message=result.sentence,
        provisional=result.provisional or None,
        figures=tuple(map(_figure, figures[:MAX_FIGURES])),
    )


def _figure(figure: Figure) -> FigureStatus:
    return FigureStatus(
        measure=figure.measure,
        verdict=figure.verdict.value,
        feature=figure.feature[:MAX_WORD] or None,
        value=rounded(figure.value),
        bound=rounded(figure.bound),
        threshold=rounded(figure.threshold),
        reference=rounded(figure.reference),
        samples=figure.samples,
        reference_samples=figure.reference_samples,
    )


def _feature(name: str, found: ValueShares) -> FeatureDistribution:
    return FeatureDistribution(feature=name[:MAX_WORD], **_shares(found))


def _shares(found: ValueShares) -> dict[str, Any]:
    return {
        "groups": ValueGroups.CATEGORIES if found.by_frequency else ValueGroups.NUMBERS,
        "reference": tuple(round(share, _SHARE_DIGITS) for share in found.reference),
        "window": tuple(round(share, _SHARE_DIGITS) for share in found.window),
        "reference_missing": round(found.reference_missing, _SHARE_DIGITS),
        "window_missing": round(found.window_missing, _SHARE_DIGITS),
    }


def rounded(value: float | None) -> float | None:
    """As a status shows it. JSON has no infinity; the sentence says it."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def _with_review(status: Mapping[str, Any], review: ReviewStatus | None) -> Mapping[str, Any]:
    others = {key: value for key, value in status.items() if key != "review"}
    return others if review is None else {**others, "review": without_empty(msgspec.to_builtins(review))}


def _meanings(status: Mapping[str, Any]) -> dict[str, _Meaning]:
    return {str(entry.get("name")): _meaning(entry) for entry in stored_entries(status)}


def _meaning(entry: Mapping[str, Any]) -> _Meaning:
    figures = stored_figures(entry)
    fired = [figure for figure in figures if figure.get("verdict") == MonitorVerdict.FIRED.value]
    features = frozenset(str(figure.get("feature", "")) for figure in fired)
    return str(entry.get("verdict")), features, any(figure.get("samples") for figure in figures)


def _same(stored: Mapping[str, _Meaning], fresh: Mapping[str, _Meaning]) -> bool:
    """Whether nobody would decide differently: the same verdicts on the same features, from some rows or from none.

    Where more features have fired than are shown, it does not matter which of them are shown.
    """
    return stored.keys() == fresh.keys() and all(
        (stored[name][0], stored[name][2]) == (verdict, counted)
        and (stored[name][1] == fired or len(stored[name][1]) == len(fired) == MAX_FIGURES)
        for name, (verdict, fired, counted) in fresh.items()
    )


def _listed(value: Any) -> Sequence[Any]:
    """The items of a list in a status that another client may have written."""
    return value if isinstance(value, list | tuple) else ()
