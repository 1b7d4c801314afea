"""What a monitor would have done with other thresholds, without judging any window again.

Every figure says which number is compared with its threshold (`Figure.decisive`). So a window has a number of its own,
on one side of which the monitor fires: that of the feature that decides. Thresholds are compared with these numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from viridian.api.monitoring import Drift
from viridian.backtest.alarms import Score, score
from viridian.backtest.history import Incident
from viridian.backtest.replay import JudgedWindow, ReplayedMonitor
from viridian.judgement.figures import Figure, MonitorVerdict, exceeds
from viridian.monitoring.monitor_verdict import is_enough


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdScore:
    """A monitor with one of the thresholds."""

    threshold: float
    score: Score
    features: Mapping[str, int] = field(default_factory=dict)
    """By feature, in how many windows it would have been beyond the threshold."""


def try_thresholds(
    monitor: ReplayedMonitor, thresholds: Sequence[float], incidents: Sequence[Incident]
) -> tuple[ThresholdScore, ...]:
    """The score with each of the thresholds, in their order. Limits that are relative are given as absolute ones."""
    numbers = [
        (_number(monitor, window, _decisive_of), _number(monitor, window, _lasting_of), window)
        for window in monitor.judged
    ]
    below = any(figure.from_below for window in monitor.judged for figure in window.result.figures)
    by_feature = _by_feature(monitor)
    return tuple(
        ThresholdScore(
            threshold=threshold,
            score=score(monitor.judged, list(_verdicts(numbers, threshold, below)), incidents),
            features={name: _beyond(numbers, threshold) for name, numbers in by_feature.items()},
        )
        for threshold in thresholds
    )


def thresholds_around(monitor: ReplayedMonitor, wanted: int) -> tuple[float, ...]:
    """So many thresholds, evenly spaced over what the stored windows would fire at."""
    found = [one for window in monitor.judged if (one := _number(monitor, window, _decisive_of)) is not None]
    finite = [one for one in found if abs(one) < float("inf")]
    if not finite or wanted < 2:
        return tuple(finite[:wanted])
    low, high = min(0.0, *finite) if min(finite) < 0 else min(finite), max(finite)
    return tuple(float(f"{low + (high - low) * step / (wanted - 1):.4g}") for step in range(wanted))


def _number(
    monitor: ReplayedMonitor, window: JudgedWindow, number_of: Callable[[Figure], float | None]
) -> float | None:
    """What a threshold is compared with in this window; None where no threshold fires."""
    figures = window.result.figures
    numbers = [number for figure in figures if (number := number_of(figure)) is not None]
    if not isinstance(monitor.source, Drift):
        return numbers[0] if numbers else None
    needed = next(number for number in count(1) if number > len(figures) or _enough(monitor.source, number, figures))
    return sorted(numbers, reverse=True)[needed - 1] if needed <= len(numbers) else None


def _decisive_of(figure: Figure) -> float | None:
    return figure.decisive


def _lasting_of(figure: Figure) -> float | None:
    return figure.lasting


def _enough(source: Drift, drifted: int, figures: Sequence[Figure]) -> bool:
    return is_enough(source.share, drifted, len(figures))


def _verdicts(
    numbers: Sequence[tuple[float | None, float | None, JudgedWindow]], threshold: float, below: bool
) -> Iterator[MonitorVerdict]:
    """Of all windows, the oldest first: each with the number that fires, and with the one that keeps firing."""
    fires, version = False, ""
    for decisive, lasting, window in numbers:
        fires = fires and window.version == version
        version = window.version
        if decisive is None:
            # No threshold decides: the verdict is that of the monitor's own.
            verdict = window.result.verdict
        elif _is_beyond(decisive, threshold, below) or (fires and _is_beyond(lasting, threshold, below)):
            verdict = MonitorVerdict.FIRED
        else:
            verdict = MonitorVerdict.QUIET
        fires = verdict is MonitorVerdict.FIRED or (fires and verdict is MonitorVerdict.INSUFFICIENT_DATA)
        yield verdict


def _is_beyond(number: float | None, threshold: float, below: bool) -> bool:
    if number is None:
        return False
    return exceeds(threshold, number) if below else exceeds(number, threshold)


def _by_feature(monitor: ReplayedMonitor) -> Mapping[str, list[float]]:
    """The decisive numbers of each feature, the smallest first."""
    found: dict[str, list[float]] = defaultdict(list)
    for window in monitor.judged:
        for figure in window.result.figures:
            if figure.feature and figure.decisive is not None:
                found[figure.feature].append(figure.decisive)
    return {name: sorted(numbers) for name, numbers in sorted(found.items())}


def _beyond(numbers: Sequence[float], threshold: float) -> int:
    """How many of the sorted numbers are beyond the threshold."""
    return len(numbers) - bisect_right(numbers, False, key=lambda number: exceeds(number, threshold))
