"""A whole backtest: monitors, alarms, incidents and runs together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Monitoring
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.backtest.alarms import Alarm, Detection, Score, alarms, detections, score
from viridian.backtest.history import History, UnusableHistory
from viridian.backtest.replay import ReplayedMonitor, replay
from viridian.backtest.replayed_runs import ReplayedRun, Response, responses, runs
from viridian.backtest.thresholds import ThresholdScore, thresholds_around, try_thresholds

TRIED: Final = 20
"""Thresholds that are tried where none are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReport:
    """One monitor over the stored windows."""

    name: str
    score: Score
    alarms: tuple[Alarm, ...]
    detections: tuple[Detection, ...]
    tried: tuple[ThresholdScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestReport:
    """What a policy would have done. Times are seconds since 1970, in UTC."""

    start: float
    end: float
    windows: int
    monitors: tuple[MonitorReport, ...]
    runs: tuple[ReplayedRun, ...]
    responses: tuple[Response, ...]

    @property
    def cost(self) -> float:
        """Of all runs."""
        return sum(run.cost for run in self.runs)


def backtest(
    deployment: ModelDeploymentSpec,
    policy: RetrainPolicySpec | None,
    history: History,
    *,
    cost_of_run: float = 1.0,
    thresholds: Mapping[str, Sequence[float]] | None = None,
) -> BacktestReport:
    """Replay the stored windows over monitors and policy, which need not be applied anywhere.

    `thresholds`: thresholds to try, by the name of the monitor; an empty list lets them be chosen. UnusableHistory is
    raised where windows and policy do not fit together.
    """
    monitoring = deployment.monitoring or Monitoring()
    unknown = sorted({*(thresholds or {})} - {monitor.name for monitor in monitoring.monitors})
    if unknown:
        named = ", ".join(monitor.name for monitor in monitoring.monitors)
        raise UnusableHistory(f"there is no monitor {', '.join(unknown)}; there are {named}")
    maturity = deployment.feedback.label_maturity if deployment.feedback else "0s"
    replayed = replay(monitoring, maturity, history)
    start, end = min(window.start for window in history.windows), max(window.end for window in history.windows)
    started = runs(policy, replayed, start, end, cost_of_run) if policy is not None else ()
    return BacktestReport(
        start=start,
        end=end,
        windows=len({window.start for window in history.windows}),
        monitors=tuple(_reports(replayed, history, thresholds or {})),
        runs=started,
        responses=responses(started, history.incidents) if policy is not None else (),
    )


def _reports(
    replayed: Sequence[ReplayedMonitor], history: History, thresholds: Mapping[str, Sequence[float]]
) -> Iterator[MonitorReport]:
    for monitor in replayed:
        judged, incidents = monitor.judged, history.incidents
        asked = thresholds.get(monitor.name)
        tried = () if asked is None else (asked or thresholds_around(monitor, TRIED))
        yield MonitorReport(
            name=monitor.name,
            score=score(judged, [window.result.verdict for window in judged], incidents),
            alarms=alarms(judged, incidents),
            detections=detections(judged, incidents),
            tried=try_thresholds(monitor, tried, incidents),
        )
