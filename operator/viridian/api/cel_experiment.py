"""The CEL rules of `experiment` steps, and what they say to the person whose manifest breaks them."""

from __future__ import annotations

from typing import Final

from viridian.api.schema import Rule, is_duration, seconds

ALLOCATIONS_AT_MOST: Final = 200
"""Intervals of one experiment: each is counted apart."""

ONE_MEASURE: Final = Rule(
    rule="has(self.performance) != has(self.outcome)",
    message="say what decides the experiment, by exactly one of performance: accuracy, a metric of predictions and "
    "their outcomes, and outcome: Higher, the mean of the outcomes themselves",
)
BIAS: Final = Rule(
    rule="!has(self.performance) || self.performance != 'bias'",
    message="bias is best at 0, so no version is better in one direction: write performance: mae",
    field_path=".performance",
)
SOME_EFFECT: Final = Rule(
    rule="self > 0.0 && self <= 1000000000.0",
    message="write the smallest difference that matters, above 0: for one percentage point of a share write 0.01",
)
SURE_ENOUGH: Final = Rule(
    rule="self >= 0.5 && self <= 0.9999",
    message="a confidence is a share from 0.5 to 0.9999: for 95 % write 0.95",
)
FLOORS: Final = Rule(
    rule="self >= 1 && self <= 50",
    message="each of the two arms keeps the floor, and two floors make at most 100: write a floor from 1 to 50",
)
THOMPSON_OF_MEANS: Final = Rule(
    rule="self.allocation != 'Thompson' || has(self.outcome) || !has(self.performance) || "
    "self.performance in ['accuracy', 'mae']",
    message="while the share moves, each interval is compared apart, and few rows tell no such metric: write "
    "performance: accuracy or mae, or outcome: Higher; or allocation: Fixed",
    field_path=".performance",
)
WEIGHT_WITHIN_FLOORS: Final = Rule(
    rule="self.allocation != 'Thompson' || (self.weight >= self.floor && self.weight <= 100 - self.floor)",
    message="the first weight leaves one of the arms less than the floor: write a weight between them, such as "
    "weight: 50 with floor: 10",
    field_path=".weight",
)
FEW_ALLOCATIONS: Final = Rule(
    rule=f"self.allocation != 'Thompson' || [self.interval, self.maxDuration].exists(d, !({is_duration('d')})) || "
    f"{seconds('self.maxDuration')} <= {ALLOCATIONS_AT_MOST} * {seconds('self.interval')}",
    message=f"the share would be decided about more than {ALLOCATIONS_AT_MOST} times: write a longer interval, such as "
    "interval: 2h for maxDuration: 14d",
    field_path=".interval",
)
PROVES_NOTHING: Final = Rule(
    rule="![self.onWorse, self.onInconclusive, self.onSchemaMismatch].exists(next, next == 'Proceed')",
    message="only Better and NoDifference speak for the challenger: write Hold or Reject for onWorse, onInconclusive "
    "and onSchemaMismatch. A person who approves a held challenger lets it proceed",
)

# ---- the step and its surroundings -----------------------------------------------------------------------------------

EXPERIMENT_ALONE: Final = Rule(
    rule=f"!has(self.experiment) || (self.minRequests == 0 && (!({is_duration('self.duration')}) || "
    f"{seconds('self.duration')} == 0))",
    message="an experiment ends with its verdict: write experiment.minSamples and experiment.maxDuration in place of "
    "minRequests and duration",
)
EXPERIMENTS_NEED_FEEDBACK: Final = Rule(
    rule="has(self.feedback) || !self.rollout.steps.exists(s, has(s.experiment))",
    message="an experiment compares outcomes, which the collector joins with the predictions: write feedback: {}",
    field_path=".rollout.steps",
)
OUTLASTS_MATURITY: Final = Rule(
    rule=f"!has(self.feedback) || !({is_duration('self.feedback.labelMaturity')}) || "
    "!self.rollout.steps.exists(s, has(s.experiment) && "
    f"{is_duration('s.experiment.maxDuration')} && "
    f"{seconds('s.experiment.maxDuration')} <= {seconds('self.feedback.labelMaturity')})",
    message="the experiment would end before its first outcome counts: write a maxDuration longer than "
    "feedback.labelMaturity",
    field_path=".rollout.steps",
)
THOMPSON_SPLITS_ANEW: Final = Rule(
    rule="!has(self.traffic.gateway) || !has(self.traffic.gateway.sticky) || "
    "!self.rollout.steps.exists(s, has(s.experiment) && s.experiment.allocation == 'Thompson')",
    message="users who stay with a version do not follow a share that moves, so propensities would be wrong: write "
    "allocation: Fixed, or remove traffic.gateway.sticky",
    field_path=".rollout.steps",
)
