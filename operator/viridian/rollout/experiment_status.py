"""What the status shows of experiments: the one that is under way, or else the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from viridian.api import durations
from viridian.api import modeldeployment_status as api
from viridian.core.times import has_come_round
from viridian.rollout.experiment_sentences import figures_sentence
from viridian.rollout.policies.experiment_step import with_figures
from viridian.rollout.records import time_text
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.experiment_record import ExperimentRecord
from viridian.rollout.traffic.record import Traffic

_CADENCE: Final = timedelta(minutes=1)
"""How often figures are published while there is no verdict."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def newest_experiment(state: RolloutState, traffic: Traffic | None) -> api.ExperimentStatus | None:
    """The experiment that is under way, or else the newest one."""
    if traffic is None:
        return None
    record = traffic.trial.experiment if traffic.trial is not None else None
    if record is None:
        return _shown(traffic.experimented) if traffic.experimented is not None else None
    if record.verdict:
        return _shown(record)
    message = figures_sentence(record.measure, state.experiment)
    return _calm(state, _shown(replace(with_figures(record, state.experiment), message=message)))


def _shown(record: ExperimentRecord) -> api.ExperimentStatus:
    known = record.challenger_rows > 0
    return api.ExperimentStatus(
        step=record.step,
        revision=record.revision,
        champion=record.champion,
        measure=record.measure,
        started_at=time_text(record.started_at),
        weight=record.weight,
        verdict=record.verdict or None,
        ended_at=time_text(record.ended_at) or None,
        effect=_rounded(record.effect) if known else None,
        interval_low=_rounded(record.low) if known else None,
        interval_high=_rounded(record.high) if known else None,
        challenger_samples=record.challenger_rows,
        champion_samples=record.champion_rows,
        message=record.message,
    )


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def _calm(state: RolloutState, shown: api.ExperimentStatus) -> api.ExperimentStatus:
    """Figures move with every row, so those that were published are carried over for a while."""
    before = state.inputs.status.get("experiment")
    interval = durations.parse(state.spec.rollout.analysis.interval)
    if not isinstance(before, Mapping) or has_come_round(state.now - _EPOCH, interval, _CADENCE):
        return shown
    if (before.get("startedAt"), before.get("weight")) != (shown.started_at, shown.weight) or before.get("verdict"):
        return shown
    return api.ExperimentStatus(
        step=shown.step,
        revision=shown.revision,
        champion=shown.champion,
        measure=shown.measure,
        started_at=shown.started_at,
        weight=shown.weight,
        effect=before.get("effect"),
        interval_low=before.get("intervalLow"),
        interval_high=before.get("intervalHigh"),
        challenger_samples=before.get("challengerSamples", 0),
        champion_samples=before.get("championSamples", 0),
        message=str(before.get("message", "")),
    )
