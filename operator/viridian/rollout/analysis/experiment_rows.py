"""What the collector knows about an experiment: the rows of both revisions since its first share was in effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api import durations
from viridian.api.experiment_spec import Allocation, Experiment
from viridian.api.gate_spec import Direction
from viridian.api.performance import Classified, Performance, Regressed
from viridian.judgement.experiment import ComparedSpan, EffectInterval, effect_of
from viridian.judgement.metrics import LOWER_IS_BETTER, Measured, mean_outcome, measure
from viridian.rollout.analysis.collected_rows import known_rows
from viridian.rollout.analysis.source import Missing, Silent
from viridian.rollout.answers import AnsweredRows, CollectedQuestion
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic.experiment_record import ExperimentRecord


@dataclass(frozen=True, slots=True)
class ValuesDiffer:
    """The two answer with values that cannot be compared, and why."""

    why: str


ExperimentFigures = EffectInterval | ValuesDiffer | Missing | Silent


@dataclass(frozen=True, slots=True)
class RunningExperiment:
    """An experiment without a verdict, and what the spec says of it."""

    spec: Experiment
    record: ExperimentRecord
    maturity: timedelta
    label: str

    @property
    def questions(self) -> tuple[CollectedQuestion, CollectedQuestion] | None:
        """About the challenger, and about the champion beside it."""
        since = self.record.started_at
        if since is None:
            return None
        moves = self.spec.allocation is Allocation.THOMPSON
        span = durations.parse(self.spec.interval) if moves else timedelta()
        ours = CollectedQuestion(self.record.revision, since, self.maturity, self.label, span=span)
        theirs = CollectedQuestion(self.record.champion, since, self.maturity, self.label, span=span)
        return ours, theirs


def question_of(spec: Experiment) -> str:
    """What an experiment asks: an answer to another question is none to this one."""
    share = f"{spec.allocation} from {spec.weight}"
    direction = f" {spec.outcome}" if spec.outcome is not None else ""
    return f"{spec.measure_name}{direction} by {spec.smallest_effect:g} at {spec.confidence:g}, {share}"


def running_experiment(inputs: RolloutInput) -> RunningExperiment | None:
    """The experiment that is under way; None where there is none, or where the spec asks something else by now."""
    traffic, whole = inputs.traffic, inputs.spec
    trial = traffic.trial if traffic is not None else None
    record = trial.experiment if trial is not None else None
    if trial is None or record is None or record.verdict or whole is None or trial.step >= len(whole.rollout.steps):
        return None
    spec, feedback = whole.rollout.steps[trial.step].experiment, whole.feedback
    if spec is None or feedback is None or record.question != question_of(spec):
        return None
    return RunningExperiment(spec, record, durations.parse(feedback.label_maturity), feedback.label_definition)


def experiment_questions(inputs: RolloutInput) -> Iterable[CollectedQuestion]:
    """What has to be asked about the experiment that is under way."""
    running = running_experiment(inputs)
    return (running.questions or ()) if running is not None else ()


def experiment_figures(inputs: RolloutInput, now: datetime) -> ExperimentFigures | None:
    """What is known of the experiment that is under way; None where there is none."""
    running = running_experiment(inputs)
    if running is None or running.questions is None:
        return None
    ours, theirs = (known_rows(question, inputs.answers, now) for question in running.questions)
    for one in (ours, theirs):
        if not isinstance(one, AnsweredRows):
            return one
    if not isinstance(ours, AnsweredRows) or not isinstance(theirs, AnsweredRows):
        return Silent("the collector has not answered yet")
    return _compared(running.spec, ours, theirs)


def _compared(spec: Experiment, ours: AnsweredRows, theirs: AnsweredRows) -> ExperimentFigures:
    mine, other = ours.performance.joined, theirs.performance.joined
    if mine is not None and other is not None and (difference := _difference(mine, other)):
        return ValuesDiffer(difference)
    whole = ComparedSpan(_measured(spec, ours.performance), _measured(spec, theirs.performance))
    numbers = sorted({*ours.spans, *theirs.spans})
    spans = [
        ComparedSpan(_measured(spec, ours.spans.get(number)), _measured(spec, theirs.spans.get(number)))
        for number in numbers
    ]
    found = effect_of(
        whole,
        spans or [whole],
        higher_is_better=_higher_is_better(spec),
        scale=spec.smallest_effect,
        confidence=spec.confidence,
    )
    if found is not None:
        return found
    known = f"{ours.performance.labelled} rows of the challenger and {theirs.performance.labelled} of the champion"
    if min(ours.performance.labelled, theirs.performance.labelled) >= spec.min_samples:
        return Silent(f"{spec.measure_name} cannot be measured on the outcomes of {known}")
    return Silent(f"{known} with a known outcome, and {spec.min_samples} of each are needed")


def _difference(mine: Classified | Regressed, other: Classified | Regressed) -> str:
    """Why the two cannot be compared; empty where they can be."""
    if isinstance(mine, Classified) and isinstance(other, Classified):
        ours, theirs = ", ".join(mine.classes), ", ".join(other.classes)
        same = mine.classes == other.classes
        return "" if same else f"the challenger knows the classes {ours}, the champion {theirs}"
    if isinstance(mine, Regressed) and isinstance(other, Regressed):
        return ""
    return "one of challenger and champion predicts classes, and the other one numbers"


def _measured(spec: Experiment, known: Performance | None) -> Measured | None:
    joined = known.joined if known is not None else None
    return measure(spec.performance, joined) if spec.performance is not None else mean_outcome(joined)


def _higher_is_better(spec: Experiment) -> bool:
    if spec.performance is not None:
        return spec.performance not in LOWER_IS_BETTER
    return spec.outcome is Direction.HIGHER
