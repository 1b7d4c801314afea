"""The CEL rules of `spec.rollout.analysis.metrics`, and what they say to the person whose manifest breaks them."""

from __future__ import annotations

from typing import Final

from viridian.api.schema import Rule

COUNTED: Final = ("error-rate", "success-rate", "latency-p50", "latency-p90", "latency-p95", "latency-p99")
"""Metrics that the pods count themselves."""
MAX_QUERY_VALUES: Final = 100
"""Values of a query that one judgement looks at."""

PREDICTION_SHIFT: Final = "prediction-shift"
"""The distance between the predictions of challenger and champion."""

DISAGREEMENT: Final = "disagreement"
"""The share of answers to copied requests that differ from the champion's."""

_COUNTED: Final = f"self.name in {list(COUNTED)}"
_BUILT_IN: Final = f"self.name in {[*COUNTED, PREDICTION_SHIFT, DISAGREEMENT]}"
_OF_SLOT: Final = r"self.query.matches(r'[$](slot|revision)($|[^A-Za-z0-9_])')"

NAME: Final = Rule(
    rule="self.matches('^[a-z][a-z0-9]*([-_][a-z0-9]+)*$')",
    message="write lower-case letters and digits with - or _ between them, such as conversion",
)
ONE_SOURCE_OF_METRIC: Final = Rule(
    rule=f"[{_BUILT_IN}, has(self.query), has(self.performance)].filter(given, given).size() == 1",
    message="a metric of the pods has one of their names, another metric has a query or a performance",
    message_expression=(
        "has(self.query) && has(self.performance) ? 'query and performance exclude each other: remove one of them' : "
        f"{_BUILT_IN} ? self.name + ' is counted by the pods: give the metric another name, or remove its query' : "
        f"'the pods count {', '.join(COUNTED)}; for ' + self.name + ' write query: an expression of PromQL with "
        "$slot or $revision, or performance: accuracy'"
    ),
)
ONE_BOUND: Final = Rule(
    rule=f"!({_COUNTED}) || (self.name == 'success-rate' ? "
    "!has(self.max) && (has(self.min) || has(self.worseThanChampionBy)) : "
    "!has(self.min) && (has(self.max) || has(self.worseThanChampionBy)))",
    message="write max: 0.01 for error-rate, max: 0.25 for a latency, min: 0.99 for success-rate",
    message_expression=(
        "self.name == 'success-rate' ? "
        "'success-rate is better when higher: write min, such as min: 0.99, and no max' : "
        "self.name + ' is better when lower: write max, such as max: ' + "
        "(self.name == 'error-rate' ? '0.01' : '0.25') + ', and no min'"
    ),
)
SHARES: Final = Rule(
    rule=f"!({_COUNTED}) || self.name.startsWith('latency-') || "
    "((!has(self.max) || (self.max >= 0.0 && self.max <= 1.0)) && "
    "(!has(self.min) || (self.min >= 0.0 && self.min <= 1.0)))",
    message="a rate is a share from 0 to 1, not a percentage: for 5 % write 0.05",
)
BREACHABLE: Final = Rule(
    rule="!(self.name == 'error-rate' && has(self.max) && self.max == 1.0) && "
    "!(self.name == 'success-rate' && has(self.min) && self.min == 0.0)",
    message="nothing could ever breach this bound: write max below 1 for error-rate, min above 0 for success-rate",
)
ONE_MARGIN: Final = Rule(
    rule="has(self.relative) != has(self.absolute)",
    message="write exactly one of relative and absolute: worseThanChampionBy: {relative: 0.5} allows half as many bad "
    "answers again, {absolute: 0.01} one more in a hundred",
)
RELATIVE_MARGIN: Final = Rule(
    rule="self > 0.0 && self <= 10.0",
    message="a relative margin is a share of the champion's value, above 0 and at most 10: for 50 % write 0.5",
)
ABSOLUTE_MARGIN: Final = Rule(
    rule="self > 0.0 && self <= 1000000000.0",
    message="an absolute margin is above 0: for one percentage point of a rate write 0.01, for 50 ms write 0.05",
)
MARGIN_OF_SHARES: Final = Rule(
    rule=f"!({_COUNTED}) || self.name.startsWith('latency-') || !has(self.worseThanChampionBy) || "
    "!has(self.worseThanChampionBy.absolute) || self.worseThanChampionBy.absolute < 1.0",
    message="the margin of a rate is a share below 1, not a percentage: for one percentage point write absolute: 0.01",
)
MARGIN_OF_SUCCESS: Final = Rule(
    rule="self.name != 'success-rate' || !has(self.worseThanChampionBy) || !has(self.worseThanChampionBy.relative)",
    message="success-rate has an absolute margin only: write worseThanChampionBy: {absolute: 0.01}, or compare "
    "error-rate, which has a relative one too",
)
SECONDS: Final = Rule(
    rule=f"!({_COUNTED}) || !self.name.startsWith('latency-') || !has(self.max) || "
    "(self.max > 0.0 && self.max <= 60.0)",
    message="a latency is in seconds, above 0 and at most 60: for 250 ms write 0.25",
)
MARGIN_OF_LATENCY: Final = Rule(
    rule=f"!({_COUNTED}) || !self.name.startsWith('latency-') || !has(self.worseThanChampionBy) || "
    "!has(self.worseThanChampionBy.absolute) || self.worseThanChampionBy.absolute <= 60.0",
    message="the margin of a latency is in seconds, at most 60: for 50 ms write absolute: 0.05",
)

# ---- values of a query -----------------------------------------------------------------------------------------------

BOUND_OF_VALUES: Final = Rule(
    rule=f"{_BUILT_IN} || has(self.min) || has(self.max) || has(self.worseThanChampionBy)",
    message="nothing could ever breach this metric: write min, max or worseThanChampionBy",
)
BOUNDS_OF_VALUES_IN_ORDER: Final = Rule(
    rule="!has(self.min) || !has(self.max) || self.min <= self.max",
    message="min is above max, so each value would be a breach: swap them, or leave one out",
)
MARGIN_OF_VALUES: Final = Rule(
    rule=f"!has(self.query) || !has(self.worseThanChampionBy) || {_OF_SLOT}",
    message="the same query is asked for the champion, so its value must depend on the slot: select by "
    'slot="$slot" or revision="$revision" in it, or remove worseThanChampionBy',
)
DIRECTION_OF_VALUES: Final = Rule(
    rule="!has(self.query) || !has(self.worseThanChampionBy) || has(self.direction) || has(self.min) != has(self.max)",
    message="what is worse than the champion? Write direction: Higher where higher values are better, or Lower",
)
DIRECTION_OF_MARGIN: Final = Rule(
    rule="!has(self.direction) || (has(self.query) && has(self.worseThanChampionBy))",
    message="direction says what worseThanChampionBy means for the values of a query: remove it elsewhere",
)
WEIGHT_OF_EVIDENCE: Final = Rule(
    rule=f"!(has(self.query) || self.name == '{PREDICTION_SHIFT}') || self.weight == 1.0",
    message="weight shares out evidence, and the values of this metric have none: remove it, and write "
    "consecutive: 3 to ask for more values of a query",
)
SAMPLES_OF_VALUES: Final = Rule(
    rule=f"!has(self.query) || self.minSamples <= {MAX_QUERY_VALUES}",
    message=f"minSamples of a query counts its values: write at most {MAX_QUERY_VALUES}",
)

# ---- what the collector knows ----------------------------------------------------------------------------------------

SHIFT: Final = Rule(
    rule=f"self.name != '{PREDICTION_SHIFT}' || (has(self.max) && self.max > 0.0 && self.max < 1.0 && "
    "!has(self.min) && !has(self.worseThanChampionBy))",
    message="prediction-shift is the distance between the predictions of challenger and champion, from 0 to 1: write "
    "max: 0.2 and nothing else",
)
DISAGREEMENT_BOUND: Final = Rule(
    rule=f"self.name != '{DISAGREEMENT}' || (has(self.max) && self.max > 0.0 && self.max < 1.0 && "
    "!has(self.min) && !has(self.worseThanChampionBy))",
    message="disagreement is the share of answers that differ from the champion's, from 0 to 1: write max: 0.05, and "
    "tolerance where the answers are numbers",
)
TOLERANCE: Final = Rule(
    rule=f"!has(self.tolerance) || self.name == '{DISAGREEMENT}'",
    message="tolerance says which answers of challenger and champion agree: it belongs to disagreement, remove it here",
)
BIAS: Final = Rule(
    rule="!has(self.performance) || self.performance != 'bias' || !has(self.worseThanChampionBy)",
    message="bias is best at 0, so it is not worse in one direction: write min: -0.1 and max: 0.1",
)
ONE_VALUE_AT_A_TIME: Final = Rule(
    rule=f"has(self.query) || {_COUNTED} || self.consecutive == 1",
    message="this metric is judged on all rows or answers of the trial, not value by value: remove consecutive",
)
_COMPARED: Final = "(self.server.runtime == 'Builtin' && self.rollout.steps.exists(s, has(s.shadow)))"
METRICS_NEED_FEEDBACK: Final = Rule(
    rule="has(self.feedback) || !self.rollout.analysis.metrics.exists(metric, has(metric.performance) || "
    f"(metric.name == '{PREDICTION_SHIFT}' && !{_COMPARED}))",
    message="a metric with performance, and prediction-shift, need rows in the collector: write feedback: {}; "
    "prediction-shift is also known in steps with shadow, where the runtime is Builtin",
    field_path=".rollout.analysis.metrics",
)
DISAGREEMENT_NEEDS_COPIES: Final = Rule(
    rule=f"{_COMPARED} || !self.rollout.analysis.metrics.exists(metric, metric.name == '{DISAGREEMENT}')",
    message="Viridian's own servers compare answers in steps with shadow: for disagreement write a step such as "
    "{shadow: 20, duration: 10m} and leave server.runtime at Builtin",
    field_path=".rollout.analysis.metrics",
)
