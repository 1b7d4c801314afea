"""One judgement a metric, from whatever evidence its source has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import COUNTED, DISAGREEMENT
from viridian.api.modeldeployment import Analysis
from viridian.judgement.beside_champion import compared, margin_sentence, shares_its_breach
from viridian.judgement.canary import LATENCIES, CanaryVerdict, Judgement, judge, unreadable, without_figure
from viridian.judgement.disagreement import Disagreement, judge_disagreement
from viridian.judgement.estimates import Estimates, Shift, judge_estimates, judge_shift
from viridian.judgement.split_test import Margin
from viridian.judgement.values import Values, judge_values
from viridian.rollout.analysis.metric_bounds import NO_MARGIN, bound_of, margin_of, value_bound
from viridian.rollout.analysis.mirrored import is_known_now
from viridian.rollout.analysis.source import Counted, Look, MetricSource, Missing, Silent


def judgements(source: MetricSource, look: Look) -> tuple[Judgement, ...]:
    needed = evidence_needed(look.analysis)
    return tuple(
        replace(_judged(source, metric, look, needed[metric.name]), guard_rail=metric.guard_rail)
        for metric in look.analysis.metrics
        if is_known_now(metric, look)
    )


def evidence_needed(analysis: Analysis) -> Mapping[str, float]:
    """The evidence that counts as a breach, by the name of the metric.

    All bounds share the chance of a false verdict by their weights (Bonferroni). It is 0 where no metric counts
    anything: then there is no evidence either.
    """
    shares = sum(metric.weight * _bounds_on_counts(metric) for metric in analysis.metrics)
    return {metric.name: analysis.judge.rollback_evidence * shares / metric.weight for metric in analysis.metrics}


def _bounds_on_counts(metric: Metric) -> int:
    """How many bounds of a metric can be broken by chance, as the judge knows it."""
    if metric.performance is not None:
        sides = (metric.min is not None) + (metric.max is not None)
        return sides + (metric.worse_than_champion_by is not None)
    if metric.name == DISAGREEMENT:
        return 1
    if metric.name not in COUNTED:
        return 0
    return (not bound_of(metric).is_open) + (metric.worse_than_champion_by is not None)


def _judged(source: MetricSource, metric: Metric, look: Look, needed: float) -> Judgement:
    match evidence := source.evidence(metric, look):
        case Counted(windows, memories):
            found = judge(bound_of(metric), windows, evidence_needed=needed, memories=memories)
            return _beside_the_champion(source, metric, look, found, needed)
        case Values():
            return judge_values(value_bound(metric), evidence)
        case Estimates():
            return judge_estimates(value_bound(metric), evidence, evidence_needed=needed)
        case Shift():
            return judge_shift(value_bound(metric), evidence)
        case Disagreement():
            return judge_disagreement(value_bound(metric), evidence, evidence_needed=needed)
        case Missing(why):
            return unreadable(metric, why)
        case Silent(why):
            return without_figure(metric, why)


def _beside_the_champion(
    source: MetricSource, metric: Metric, look: Look, found: Judgement, needed: float
) -> Judgement:
    """The judgement on the bound, and on the margin; a breach that the champion has as well is marked as such."""
    if found.blind or (metric.worse_than_champion_by is None and found.verdict is CanaryVerdict.PASS):
        return found
    champion = source.beside_champion(metric, look)
    if champion is None:
        return found if metric.worse_than_champion_by is None else replace(found, no_worse=1.0)
    if found.verdict is CanaryVerdict.BREACH:
        bound = bound_of(metric)
        shared = shares_its_breach(bound, champion, _counted_margin(metric), evidence_needed=needed)
        found = replace(found, champion_too=shared)
    if metric.worse_than_champion_by is None:
        return found
    sentence = margin_sentence(metric.name, margin_of(metric))
    return compared(found, champion, _counted_margin(metric), sentence, evidence_needed=needed)


def _counted_margin(metric: Metric) -> Margin:
    """The margin that is left to the comparison of counts: that of a latency is in what counts as slow."""
    return NO_MARGIN if metric.name in LATENCIES else margin_of(metric)
