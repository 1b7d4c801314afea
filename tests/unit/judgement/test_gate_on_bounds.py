"""What the gate says where an evaluation reports intervals: the bound decides, not the number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.evaluation import HoldoutEvaluation, MetricComparison, SliceComparison
from viridian.api.gate_spec import Direction, Gate, GateBaseline, GateMetric, GateRule, GuardRail, Slice
from viridian.judgement.gate import judge
from viridian.judgement.gate_findings import Candidate, Champion, GateOutcome

REJECTED, INCOMPARABLE = GateOutcome.REJECTED, GateOutcome.INCOMPARABLE
INCONCLUSIVE, PASSED = GateOutcome.INCONCLUSIVE, GateOutcome.PASSED
CHAMPION = Champion(version="3")
AUC, FPR = GateMetric(name="auc"), GateMetric(name="fpr", relative_to_champion=-0.20)
SUPERIOR, THRESHOLDS = GateRule.SUPERIOR, GateRule.THRESHOLDS


def beside(candidate: float, champion: float, noise: float) -> MetricComparison:
    """With bounds this far from the difference, at 97.5 %."""
    difference = candidate - champion
    change = candidate / champion - 1 if champion else 0.0
    return MetricComparison(
        candidate=candidate,
        champion=champion,
        low=difference - noise,
        high=difference + noise,
        relative_low=change - noise / champion if champion else None,
        relative_high=change + noise / champion if champion else None,
    )


def evaluated(rows: int = 5000, *, baseline: dict[str, MetricComparison] | None = None, **metrics: Any) -> Candidate:
    found = {name: beside(*numbers) if isinstance(numbers, tuple) else numbers for name, numbers in metrics.items()}
    evaluation = HoldoutEvaluation(holdout="sha256:h", rows=rows, metrics=found, baseline=baseline or {})
    return Candidate(metrics={}, holdout="sha256:h", evaluation=evaluation)


def gate(*metrics: GateMetric, **more: Any) -> Gate:
    return Gate(metrics=metrics, **more)


def rail(name: str, **more: Any) -> dict[str, Any]:
    return {"guard_rails": (GuardRail(name=name, **more),)}


@pytest.mark.parametrize(
    ("sentence", "asked", "candidate", "outcome", "says"),
    [
        ("not worse, for sure", gate(AUC), evaluated(auc=(0.81, 0.80, 0.008)), PASSED,
         "auc 0.81 is not worse than the champion's 0.8 by more than 0.005: gain 0.01, from 0.002 to 0.018 at 97.5 %"),
        ("bound just above -margin", gate(AUC), evaluated(auc=(0.80, 0.80, 0.0049)), PASSED, "not worse"),
        ("bound just below -margin", gate(AUC), evaluated(auc=(0.80, 0.80, 0.0051)), INCONCLUSIVE, "may be worse"),
        ("a better number with a wide interval", gate(AUC), evaluated(500, auc=(0.82, 0.80, 0.03)), INCONCLUSIVE,
         "500 rows an equal candidate passes in 5 % of cases: a margin of 0.043 or about 37,000 rows makes it 80 %"),
        ("worse, for sure", gate(AUC), evaluated(auc=(0.78, 0.80, 0.01)), REJECTED, "auc 0.78 is worse than"),
        ("the very same predictions", gate(AUC, margin=0), evaluated(auc=(0.8, 0.8, 0.0)), PASSED, "not worse"),
        ("less is better: a clear fall passes", gate(GateMetric(name="log_loss")),
         evaluated(log_loss=(0.30, 0.32, 0.01)), PASSED, "gain 0.02, from 0.01 to 0.03"),
        ("less is better: a clear rise fails", gate(GateMetric(name="log_loss")),
         evaluated(log_loss=(0.34, 0.32, 0.01)), REJECTED, "gain -0.02"),
        ("below its minimum, however good beside the champion", gate(GateMetric(name="auc", min=0.9)),
         evaluated(auc=(0.81, 0.70, 0.01)), REJECTED, "below its minimum 0.9"),
        ("nothing named: all that was compared", gate(), evaluated(auc=(0.8, 0.8, 0.001), f1=(0.5, 0.6, 0.01)),
         REJECTED, "f1 0.5 is worse"),
        ("a metric that nobody compared", gate(GateMetric(name="gini")), evaluated(auc=(0.8, 0.8, 0.001)), REJECTED,
         "asks for gini, but the run reported only auc"),
        ("more confidence needs a wider interval", gate(AUC, confidence=0.999), evaluated(auc=(0.80, 0.80, 0.0049)),
         INCONCLUSIVE, "at 99.9 %"),
        ("less confidence needs a narrower one", gate(AUC, confidence=0.8), evaluated(auc=(0.80, 0.80, 0.011)), PASSED,
         "from -0.00472"),

        ("superior: shown", gate(AUC, rule=SUPERIOR), evaluated(auc=(0.82, 0.80, 0.01)), PASSED, "is better than"),
        ("superior: not shown", gate(AUC, rule=SUPERIOR), evaluated(auc=(0.82, 0.80, 0.021)), INCONCLUSIVE,
         "is not shown to be better than the champion's 0.8"),
        ("superior: the very same", gate(AUC, rule=SUPERIOR), evaluated(auc=(0.8, 0.8, 0.0)), INCONCLUSIVE, "not"),
        ("superior in all that was compared", gate(rule=SUPERIOR), evaluated(auc=(0.9, 0.8, 0.01)), PASSED, "better"),
        ("superior in one of two", gate(rule=SUPERIOR), evaluated(auc=(0.82, 0.80, 0.01), f1=(0.5, 0.5, 0.01)),
         INCONCLUSIVE, "f1 0.5 is not shown to be better"),
        ("superior in nothing", gate(rule=SUPERIOR), evaluated(), INCOMPARABLE, "nothing was reported"),
        ("superior: worse", gate(AUC, rule=SUPERIOR), evaluated(auc=(0.78, 0.80, 0.01)), REJECTED, "is worse than"),

        ("a fifth less, for sure", gate(FPR), evaluated(fpr=(0.079, 0.100, 0.0005)), PASSED,
         "fpr 0.079 is at least 20 % lower than the champion's 0.1: -21 %, from -21.5 % to -20.5 % at 97.5 %"),
        ("not a fifth less, for sure", gate(FPR), evaluated(fpr=(0.081, 0.100, 0.0005)), REJECTED,
         "is not at least 20 % lower"),
        ("perhaps a fifth less", gate(FPR), evaluated(fpr=(0.079, 0.100, 0.002)), INCONCLUSIVE, "is not shown to be"),
        ("a tenth more", gate(GateMetric(name="recall", relative_to_champion=0.1)),
         evaluated(recall=(0.56, 0.50, 0.005)), PASSED, "at least 10 % higher"),
        ("a share of nothing", gate(FPR), evaluated(fpr=(0.1, 0.0, 0.01)), INCOMPARABLE,
         "has no share of the champion's 0: write margin or max"),
        ("a target under Thresholds", gate(FPR, rule=THRESHOLDS), evaluated(fpr=(0.09, 0.100, 0.0005)), REJECTED,
         "not at least 20 % lower"),

        ("a guard rail holds", gate(AUC, rule=SUPERIOR, **rail("recall", margin=0.01)),
         evaluated(auc=(0.82, 0.80, 0.01), recall=(0.60, 0.60, 0.009)), PASSED, "recall 0.6 is not worse"),
        ("a guard rail breaks", gate(AUC, rule=SUPERIOR, **rail("recall", margin=0.01)),
         evaluated(auc=(0.82, 0.80, 0.01), recall=(0.55, 0.60, 0.02)), REJECTED, "recall 0.55 is worse"),
        ("fewer false positives, and recall may not fall", gate(FPR, **rail("recall")),
         evaluated(fpr=(0.07, 0.100, 0.001), recall=(0.5, 0.6, 0.01)), REJECTED, "recall 0.5 is worse"),
        ("a guard rail's own bound", gate(AUC, **rail("latency_p95", margin=1, max=0.05)),
         evaluated(auc=(0.8, 0.8, 0.001), latency_p95=MetricComparison(candidate=0.06, champion=0.01)), REJECTED,
         "latency_p95 0.06 is above its maximum 0.05"),
        ("a guard rail has the gate's margin", gate(AUC, **rail("brier")),
         evaluated(auc=(0.8, 0.8, 0.001), brier=(0.12, 0.1, 0.001)), REJECTED, "by more than 0.005"),
        ("a guard rail beside Thresholds", gate(GateMetric(name="auc", min=0.5), rule=THRESHOLDS, **rail("recall")),
         evaluated(auc=(0.8, 0.9, 0.01), recall=(0.5, 0.6, 0.01)), REJECTED, "recall 0.5 is worse"),

        ("an interval that is not known", gate(AUC), evaluated(auc=MetricComparison(candidate=0.9, champion=0.8)),
         INCONCLUSIVE, "auc 0.9 cannot be compared with the champion's 0.8: no interval is known"),
        ("a target without an interval", gate(FPR), evaluated(fpr=MetricComparison(candidate=0.1, champion=0.5)),
         INCONCLUSIVE, "no interval is known"),
        ("a measured number has no noise", gate(GateMetric(name="size_bytes"), rule=SUPERIOR),
         evaluated(size_bytes=MetricComparison(candidate=9, champion=10, method="measured")), PASSED, "is better than"),
        ("a measured number that is not better", gate(GateMetric(name="size_bytes"), rule=SUPERIOR),
         evaluated(size_bytes=MetricComparison(candidate=10, champion=10, method="measured")), REJECTED, "not better"),
        ("a measured number within its margin", gate(AUC, **rail("latency_p95", margin=0.01)),
         evaluated(auc=(0.8, 0.8, 0.0), latency_p95=MetricComparison(candidate=0.3, champion=0.29, method="measured")),
         PASSED, "latency_p95 0.3 is not worse"),

        ("enough rows", gate(AUC, min_rows=5000), evaluated(auc=(0.8, 0.8, 0.001)), PASSED, "not worse"),
        ("too few rows", gate(AUC, min_rows=5001), evaluated(auc=(0.8, 0.8, 0.001)), INCOMPARABLE,
         "the holdout has 5,000 rows, and gate.minRows asks for 5,001"),
        ("rows that nobody counted", gate(min_rows=10), Candidate(metrics={"auc": 0.8, "champion.auc": 0.8}),
         INCOMPARABLE, "how many rows the holdout has was not reported"),
    ],
)  # fmt: skip
def test_verdict(sentence: str, asked: Gate, candidate: Candidate, outcome: GateOutcome, says: str) -> None:
    verdict = judge(asked, candidate, CHAMPION)
    assert (verdict.outcome, says in verdict.sentence) == (outcome, True), f"{sentence}: {verdict.sentence}"


@pytest.mark.parametrize(("fpr", "outcome"), [(0.081, REJECTED), (0.080, PASSED), (0.079, PASSED)])
def test_twenty_percent_fewer_false_positives(fpr: float, outcome: GateOutcome) -> None:
    """R79, by numbers alone."""
    verdict = judge(gate(FPR), Candidate(metrics={"fpr": fpr, "champion.fpr": 0.100}), CHAMPION)
    assert verdict.outcome is outcome
    assert "no interval was reported, so the numbers alone were compared" in verdict.sentence


def test_two_numbers_keep_the_rule_of_two_numbers_and_the_verdict_says_so() -> None:
    points = Candidate(metrics={"auc": 0.797, "champion.auc": 0.8})
    verdict = judge(gate(AUC), points, CHAMPION)
    assert verdict.passed
    assert verdict.sentence.endswith("no interval was reported, so the numbers alone were compared")
    better = judge(gate(AUC, rule=SUPERIOR), Candidate(metrics={"auc": 0.9, "champion.auc": 0.8}), CHAMPION)
    assert (better.outcome, "report an evaluation" in better.sentence) == (INCONCLUSIVE, True)


def test_an_evaluation_beside_a_former_champion_does_not_count() -> None:
    stale = replace(evaluated(auc=(0.9, 0.7, 0.01)), judged_present_champion=False)
    verdict = judge(gate(AUC), stale, CHAMPION)
    assert (verdict.outcome, "start another run" in verdict.sentence) == (INCOMPARABLE, True)
    recorded = Champion(version="4", metrics={"auc": 0.95}, holdout="sha256:h")
    assert judge(gate(AUC), stale, recorded).outcome is REJECTED, "what the new champion once had on these rows counts"


def test_problems_of_the_evaluation_stand_in_a_verdict_that_does_not_pass() -> None:
    candidate = evaluated(auc=MetricComparison(candidate=0.9))
    assert candidate.evaluation is not None
    candidate = replace(candidate, evaluation=replace(candidate.evaluation, problems=("the champion is a pickle",)))
    verdict = judge(gate(AUC), candidate, CHAMPION)
    assert verdict.outcome is INCOMPARABLE
    assert verdict.sentence.endswith("the evaluation has problems: the champion is a pickle")


# ---- a worn holdout


def test_each_further_question_to_a_holdout_asks_for_more_and_the_verdict_says_so() -> None:
    candidate = evaluated(auc=(0.80, 0.80, 0.0049))
    assert judge(gate(AUC), candidate, CHAMPION).passed
    verdict = judge(gate(AUC), replace(candidate, asked=4), CHAMPION)
    assert verdict.outcome is INCONCLUSIVE
    assert (
        "4 candidates were judged on this holdout by now, so bounds are those at 99.375 % in place of 97.5 %"
        in verdict.sentence
    )


# ---- the first version


@pytest.mark.parametrize(
    ("noise", "outcome", "says"),
    [
        (0.05, PASSED, "there is no champion yet; auc 0.6 is not bounded; auc 0.6 is better than a constant "
         "prediction's 0.5"),
        (0.15, INCONCLUSIVE, "auc 0.6 is not shown to be better than a constant prediction's 0.5"),
    ],
)  # fmt: skip
def test_a_first_version_is_compared_with_a_constant_where_the_policy_wants_it(
    noise: float, outcome: GateOutcome, says: str
) -> None:
    """R141."""
    candidate = evaluated(
        auc=MetricComparison(candidate=0.6), baseline={"auc": beside(0.6, 0.5, noise), "f1": beside(0.1, 0.4, 0.01)}
    )
    verdict = judge(gate(AUC, baseline=GateBaseline.CONSTANT), candidate, None)
    assert (verdict.outcome, says in verdict.sentence) == (outcome, True), verdict.sentence
    unnamed = judge(gate(baseline=GateBaseline.CONSTANT), candidate, None)
    assert unnamed.outcome is outcome


def test_a_first_version_without_the_constant_beside_it_is_not_handed_over() -> None:
    verdict = judge(gate(AUC, baseline=GateBaseline.CONSTANT), Candidate(metrics={"auc": 0.9}), None)
    assert (verdict.outcome, "which no evaluation reported" in verdict.sentence) == (INCOMPARABLE, True)


def test_with_a_champion_the_constant_plays_no_part() -> None:
    asked = gate(AUC, baseline=GateBaseline.CONSTANT)
    assert judge(asked, evaluated(auc=(0.8, 0.8, 0.001)), CHAMPION).passed


# ---- slices

NORTH = Slice(column="region", max_drop=0.02)


def sliced(*drops: tuple[float, float], tested: int = 0, metric: str = "auc") -> Candidate:
    """Slices of one region each: by how much it falls, and how far its bounds are."""
    slices = tuple(
        SliceComparison(column="region", value=str(n), metric=metric, rows=400, compared=beside(0.8 - drop, 0.8, noise))
        for n, (drop, noise) in enumerate(drops)
    )
    candidate = evaluated(auc=(0.81, 0.80, 0.005))
    assert candidate.evaluation is not None
    return replace(candidate, evaluation=replace(candidate.evaluation, slices=slices, slices_tested=tested))


@pytest.mark.parametrize(
    ("sentence", "candidate", "outcome", "says"),
    [
        ("no slice falls", sliced((0.0, 0.01), (-0.01, 0.01)), PASSED, "no slice of region is shown to lose more"),
        ("one falls, beyond chance", sliced((0.0, 0.01), (0.05, 0.03)), REJECTED,
         "auc of the 400 rows with region 1 is worse than the champion's by 0.05, more than 0.02"),
        ("one falls beyond chance, within maxDrop", sliced((0.019, 0.001)), PASSED, "no slice"),
        ("one falls by chance", sliced((0.05, 0.06)), PASSED, "no slice"),
        ("the same fall is chance among many", sliced((0.05, 0.045), tested=50), PASSED, "50 slices compared, Holm"),
        ("and is none among few", sliced((0.05, 0.045), tested=1), REJECTED, "region 0"),
        ("no slice was reported", sliced(), INCOMPARABLE, "the slices of region cannot be compared"),
        ("an evaluation without intervals", Candidate(metrics={"auc": 0.8, "champion.auc": 0.8}), INCOMPARABLE,
         "no evaluation of the present champion was reported"),
    ],
)  # fmt: skip
def test_slices(sentence: str, candidate: Candidate, outcome: GateOutcome, says: str) -> None:
    verdict = judge(gate(AUC, slices=(NORTH,)), candidate, CHAMPION)
    assert (verdict.outcome, says in verdict.sentence) == (outcome, True), f"{sentence}: {verdict.sentence}"


def test_a_slice_in_which_less_is_better_loses_by_rising() -> None:
    rises = sliced((-0.05, 0.01), metric="log_loss")
    assert judge(gate(AUC, slices=(NORTH,)), rises, CHAMPION).outcome is REJECTED


# ---- what holds for all

NUMBERS = st.floats(0.05, 0.95)
NOISE = st.floats(0, 0.2)
RULES = st.sampled_from([GateRule.NON_INFERIOR, GateRule.SUPERIOR])


@given(NUMBERS, NUMBERS, NOISE, RULES, st.floats(0, 0.1))
def test_swapping_the_two_turns_the_verdict_around(
    one: float, other: float, noise: float, rule: GateRule, margin: float
) -> None:
    """Where one is shown to be better than the other, the other is not shown to be as good within the margin."""
    asked = gate(AUC, rule=rule, margin=margin)
    there = judge(asked, evaluated(auc=(one, other, noise)), CHAMPION).outcome
    back = judge(asked, evaluated(auc=(other, one, noise)), CHAMPION).outcome
    if rule is GateRule.SUPERIOR:
        assert (there is PASSED) == (back is REJECTED)
    elif there is REJECTED:
        assert back is PASSED


@given(NUMBERS, NUMBERS, NOISE, RULES)
def test_a_metric_and_its_opposite_are_judged_alike(one: float, other: float, noise: float, rule: GateRule) -> None:
    lower = gate(GateMetric(name="auc", direction=Direction.LOWER), rule=rule)
    mirrored = MetricComparison(candidate=-one, champion=-other, low=other - one - noise, high=other - one + noise)
    higher = judge(gate(AUC, rule=rule), evaluated(auc=(one, other, noise)), CHAMPION)
    assert judge(lower, evaluated(auc=mirrored), CHAMPION).outcome is higher.outcome


@given(NUMBERS, NUMBERS, NOISE, st.integers(1, 20), st.floats(0, 0.1))
def test_more_questions_and_more_noise_never_make_a_candidate_pass(
    one: float, other: float, noise: float, asked: int, more: float
) -> None:
    rules = gate(AUC)
    if not judge(rules, evaluated(auc=(one, other, noise)), CHAMPION).passed:
        assert not judge(rules, evaluated(auc=(one, other, noise + more)), CHAMPION).passed
        assert not judge(rules, replace(evaluated(auc=(one, other, noise)), asked=asked), CHAMPION).passed
