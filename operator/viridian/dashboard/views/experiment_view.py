"""An experiment: its two arms, the interval of the effect beside what is of interest, and what each verdict does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from viridian.api.experiment_spec import AfterExperiment, Experiment, ExperimentVerdict
from viridian.api.modeldeployment import Step
from viridian.api.modeldeployment_status import ExperimentStatus, ModelDeploymentStatus
from viridian.core.lookup import entries
from viridian.dashboard.views.moments import number
from viridian.rollout.step_names import step_name

_EDGE: Final = 4.0
"""Percent of the picture on both sides that no interval reaches."""
_UNDER_WAY: Final = ("under way", "go", "↻")
_VERDICTS: Final[Mapping[str, tuple[str, str, str]]] = {
    ExperimentVerdict.BETTER: ("better", "good", "▲"),
    ExperimentVerdict.WORSE: ("worse", "bad", "▼"),
    ExperimentVerdict.NO_DIFFERENCE: ("no difference", "neutral", "="),
    ExperimentVerdict.INCONCLUSIVE: ("inconclusive", "neutral", "?"),
    ExperimentVerdict.SCHEMA_MISMATCH: ("the answers cannot be compared", "bad", "✕"),
}
_ACTIONS: Final = {
    AfterExperiment.PROCEED: "the next step begins",
    AfterExperiment.REJECT: "the challenger is rejected",
    AfterExperiment.HOLD: "a person decides",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentArm:
    """One of the two that are compared."""

    role: str
    revision: str
    version: str
    """Empty where the status does not know it any more."""
    share: int
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPicture:
    """The interval of the effect; positions are in percent of the picture."""

    text: str
    low: float
    middle: float
    high: float
    zero: float
    same: tuple[float, float] | None
    """Between these two a difference is too small to matter; None where the spec does not say any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictEffect:
    """What a verdict does."""

    word: str
    does: str
    given: bool
    """Whether it is the one that the experiment has come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentView:
    """The experiment that is under way, or else the newest one."""

    status: ExperimentStatus
    word: str
    kind: str
    symbol: str
    arms: Sequence[ExperimentArm]
    effect: EffectPicture | None
    """None while nothing is measured."""
    spec: Experiment | None
    """What is asked; None where the step is not in the spec any more."""
    verdicts: Sequence[VerdictEffect]


def experiment_view(manifest: Mapping[str, Any], status: ModelDeploymentStatus) -> ExperimentView | None:
    """None where there was no experiment."""
    found = status.experiment
    if found is None:
        return None
    spec = _spec(manifest, found.step)
    word, kind, symbol = _VERDICTS.get(found.verdict or "", _UNDER_WAY)
    versions = _versions(status)
    arms = (
        ("challenger", found.revision, found.weight, found.challenger_samples),
        ("champion", found.champion, 100 - found.weight, found.champion_samples),
    )
    return ExperimentView(
        status=found,
        word=word,
        kind=kind,
        symbol=symbol,
        arms=[
            ExperimentArm(role=role, revision=name, version=versions.get(name, ""), share=share, samples=rows)
            for role, name, share, rows in arms
        ],
        effect=_effect(found, spec.smallest_effect if spec is not None else None),
        spec=spec,
        verdicts=list(_effects_of_verdicts(spec, found.verdict)) if spec is not None else (),
    )


def _spec(manifest: Mapping[str, Any], name: str) -> Experiment | None:
    try:
        steps = msgspec.convert(entries(manifest, "spec", "rollout", "steps"), tuple[Step, ...])
    except msgspec.ValidationError:
        return None
    return next((one.experiment for index, one in enumerate(steps) if step_name(steps, index) == name), None)


def _versions(status: ModelDeploymentStatus) -> Mapping[str, str]:
    """Of the revisions that the status knows."""
    known = (*status.history, *status.rejected, status.fallback, status.challenger, status.champion)
    return {one.revision: one.version for one in known if one is not None and one.version}


def _effect(found: ExperimentStatus, smallest: float | None) -> EffectPicture | None:
    effect, low, high = found.effect, found.interval_low, found.interval_high
    if effect is None or low is None or high is None:
        return None
    ends: tuple[float, ...] = (low, high, 0.0, *((-smallest, smallest) if smallest is not None else ()))
    left, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> float:
        return round(_EDGE + (value - left) / span * (100 - 2 * _EDGE), 2)

    return EffectPicture(
        text=f"{number(effect)} ({number(low)} to {number(high)})",
        low=at(low),
        middle=at(effect),
        high=at(high),
        zero=at(0.0),
        same=(at(-smallest), at(smallest)) if smallest is not None else None,
    )


def _effects_of_verdicts(spec: Experiment, given: str | None) -> Iterator[VerdictEffect]:
    for verdict in ExperimentVerdict:
        yield VerdictEffect(word=_VERDICTS[verdict][0], does=_ACTIONS[spec.after(verdict)], given=verdict == given)
