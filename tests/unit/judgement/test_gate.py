"""What the champion gate says of a candidate's numbers (R53: the operator judges, not the trainer)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.gate_spec import Direction, Gate, GateMetric, GateRule
from viridian.judgement.gate import judge
from viridian.judgement.gate_criteria import direction
from viridian.judgement.gate_findings import Candidate, Champion, GateOutcome

AUC = GateMetric(name="auc")
FLOOR = GateMetric(name="auc", min=0.75)
SAME, OTHER = "sha256:same", "sha256:other"
THREE = Champion(version="3", metrics={"auc": 0.80}, holdout=SAME)
UNKNOWN = Champion(version="3")
PASSED, REJECTED, INCOMPARABLE = GateOutcome.PASSED, GateOutcome.REJECTED, GateOutcome.INCOMPARABLE


def gate(*metrics: GateMetric, rule: GateRule = GateRule.NON_INFERIOR, margin: float = 0.005) -> Gate:
    return Gate(rule=rule, metrics=metrics, margin=margin)


def bounds(*metrics: GateMetric) -> Gate:
    return gate(*metrics, rule=GateRule.THRESHOLDS)


def said(holdout: str = "", judged_present_champion: bool = True, problem: str = "", **metrics: float) -> Candidate:
    named = {name.replace("champion_", "champion."): value for name, value in metrics.items()}
    return Candidate(
        metrics=named,
        holdout=holdout,
        judged_present_champion=judged_present_champion,
        champion_problem=problem,
    )


@pytest.mark.parametrize(
    ("sentence", "asked", "reported", "champion", "outcome", "says"),
    [
        ("a bound is kept", bounds(FLOOR), said(auc=0.76), None, PASSED, "auc 0.76 is within its bounds"),
        ("exactly on the bound is kept", bounds(FLOOR), said(auc=0.75), None, PASSED, "within its bounds"),
        ("below the minimum", bounds(FLOOR), said(auc=0.74), None, REJECTED, "auc 0.74 is below its minimum 0.75"),
        ("above the maximum", bounds(GateMetric(name="fpr", max=0.1)), said(fpr=0.2), None, REJECTED,
         "above its maximum"),
        ("a bound of zero counts", bounds(GateMetric(name="bias", max=0.0)), said(bias=0.1), None, REJECTED,
         "maximum 0"),
        ("thresholds look at no champion", bounds(FLOOR), said(auc=0.76), THREE, PASSED, "within its bounds"),
        ("one bad number among good ones", bounds(FLOOR, GateMetric(name="f1", min=0.5)), said(auc=0.9, f1=0.4), None,
         REJECTED, "f1 0.4 is below"),
        ("nothing reported", bounds(FLOOR), said(), None, REJECTED, "the run reported no number at all"),
        ("another name reported", bounds(FLOOR), said(acc=0.9), None, REJECTED,
         "asks for auc, but the run reported only acc"),
        ("not a number", bounds(FLOOR), said(auc=math.nan), None, REJECTED, "auc is nan"),
        ("infinitely good", bounds(FLOOR), said(auc=math.inf), None, REJECTED, "auc is inf"),
        ("no bound, and not a number", gate(AUC), said(auc=math.nan), None, REJECTED, "auc is nan"),

        ("the first version has nobody to be compared with", gate(AUC), said(auc=0.1), None, PASSED, "no champion yet"),
        ("the first version has to keep the bounds", gate(FLOOR), said(auc=0.1), None, REJECTED, "below its minimum"),
        ("nothing asked, nobody to compare with", gate(), said(), None, PASSED, "no champion yet"),

        ("equal", gate(AUC), said(auc=0.8, champion_auc=0.8), UNKNOWN, PASSED, "not worse than the champion's 0.8"),
        ("better", gate(AUC), said(auc=0.9, champion_auc=0.8), UNKNOWN, PASSED, "not worse"),
        ("worse within the margin", gate(AUC), said(auc=0.796, champion_auc=0.8), UNKNOWN, PASSED, "not worse"),
        ("worse by just the margin", gate(AUC), said(auc=0.795, champion_auc=0.8), UNKNOWN, PASSED, "not worse"),
        ("worse by more than the margin", gate(AUC), said(auc=0.79, champion_auc=0.8), UNKNOWN, REJECTED,
         "auc 0.79 is worse than the champion's 0.8 by more than 0.005"),
        ("no margin at all", gate(AUC, margin=0), said(auc=0.7999, champion_auc=0.8), UNKNOWN, REJECTED, "worse"),
        ("as good as a weak champion, below the bound", gate(FLOOR), said(auc=0.7, champion_auc=0.7), UNKNOWN, REJECTED,
         "below its minimum"),
        ("less is better, by name", gate(GateMetric(name="val_rmse"), margin=0.1), said(val_rmse=2,
         champion_val_rmse=1),
         UNKNOWN, REJECTED, "val_rmse 2 is worse"),
        ("less is better, and it is less", gate(GateMetric(name="log_loss")), said(log_loss=0.3, champion_log_loss=0.4),
         UNKNOWN, PASSED, "not worse"),
        ("less is better, as the policy says", gate(GateMetric(name="fpr", direction=Direction.LOWER)),
         said(fpr=0.2, champion_fpr=0.1), UNKNOWN, REJECTED, "worse"),

        ("the champion's record on the same rows", gate(AUC), said(SAME, auc=0.81), THREE, PASSED, "not worse"),
        ("worse than the champion's record", gate(AUC), said(SAME, auc=0.7), THREE, REJECTED, "worse"),
        ("the run's own judgement of the champion goes first", gate(AUC), said(SAME, auc=0.7, champion_auc=0.6), THREE,
         PASSED, "champion's 0.6"),
        ("a record on other rows", gate(AUC), said(OTHER, auc=0.9), THREE, INCOMPARABLE,
         "not judged on the same holdout"),
        ("rows that nobody named", gate(AUC), said(auc=0.9), THREE, INCOMPARABLE, "report champion.auc"),
        ("two unnamed holdouts are not the same", gate(AUC), said(auc=0.9), Champion(version="3", metrics={"auc": 0.1}),
         INCOMPARABLE, "not judged on the same holdout"),
        ("nothing known of the champion", gate(AUC), said(SAME, auc=0.9), UNKNOWN, INCOMPARABLE,
         "nothing was reported"),
        ("the champion's number is none", gate(AUC), said(auc=0.9, champion_auc=math.nan), UNKNOWN, INCOMPARABLE,
         "champion.auc"),
        ("the champion changed meanwhile", gate(AUC), said(auc=0.9, champion_auc=0.1, judged_present_champion=False),
         UNKNOWN, INCOMPARABLE, "start another run"),
        ("the champion changed, but its record is on the same rows", gate(AUC),
         said(SAME, auc=0.9, champion_auc=0.1, judged_present_champion=False), THREE, PASSED, "champion's 0.8"),
        ("the trainer could not judge the champion", gate(AUC), said(auc=0.9, problem="it has other columns"), UNKNOWN,
         INCOMPARABLE, "it has other columns"),
        ("incomparable, and below the bound", gate(FLOOR), said(auc=0.1), UNKNOWN, REJECTED, "below its minimum"),

        ("nothing named: all that both have", gate(), said(auc=0.8, champion_auc=0.8, loss=0.9, champion_loss=0.1),
         UNKNOWN,
         REJECTED, "loss 0.9 is worse"),
        ("nothing named: what only one side has does not count", gate(), said(auc=0.8, champion_auc=0.8, epochs=3),
         UNKNOWN,
         PASSED, "auc 0.8 is not worse"),
        ("nothing named, nothing in common", gate(), said(auc=0.8), UNKNOWN, INCOMPARABLE, "report champion.auc"),
        ("nothing named, nothing reported", gate(), said(), UNKNOWN, INCOMPARABLE, "nothing was reported"),
    ],
)  # fmt: skip
def test_verdict(
    sentence: str, asked: Gate, reported: Candidate, champion: Champion | None, outcome: GateOutcome, says: str
) -> None:
    verdict = judge(asked, reported, champion)
    assert (verdict.outcome, says in verdict.sentence) == (outcome, True), f"{sentence}: {verdict.sentence}"
    assert verdict.passed is (outcome is PASSED)


@pytest.mark.parametrize(
    ("name", "better"),
    [("auc", Direction.HIGHER), ("accuracy", Direction.HIGHER), ("rmse", Direction.LOWER), ("test_MAE",
     Direction.LOWER),
     ("log_loss", Direction.LOWER), ("brier", Direction.LOWER), ("mse_ratio", Direction.HIGHER)],
)  # fmt: skip
def test_which_way_is_better(name: str, better: Direction) -> None:
    assert direction(GateMetric(name=name)) is better


def test_the_policy_knows_better_than_the_name() -> None:
    assert direction(GateMetric(name="trimae", direction=Direction.HIGHER)) is Direction.HIGHER


def test_every_number_has_a_finding() -> None:
    verdict = judge(gate(FLOOR, GateMetric(name="f1")), said(auc=0.7, f1=0.9, champion_f1=0.8), UNKNOWN)
    assert [(f.name, f.outcome, f.value, f.champion) for f in verdict.findings] == [
        ("auc", REJECTED, 0.7, None),
        ("f1", PASSED, 0.9, 0.8),
    ]


NAMES = st.sampled_from(["auc", "f1", "rmse", "champion.auc", "champion.f1", "champion.rmse"])
NUMBERS = st.floats()
METRICS = st.dictionaries(NAMES, NUMBERS)
LIMITS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ASKED = st.builds(
    Gate,
    rule=st.sampled_from(GateRule),
    margin=st.floats(min_value=0, max_value=1),
    metrics=st.lists(
        st.builds(GateMetric, name=st.sampled_from(["auc", "f1", "rmse"]), min=LIMITS, max=LIMITS),
        unique_by=lambda metric: metric.name,
    ).map(tuple),
)
CANDIDATES = st.builds(
    Candidate, metrics=METRICS, holdout=st.sampled_from(["", SAME, OTHER]), judged_present_champion=st.booleans()
)
CHAMPIONS = st.none() | st.builds(
    Champion, version=st.just("3"), metrics=METRICS, holdout=st.sampled_from(["", SAME, OTHER])
)


@given(ASKED, CANDIDATES, CHAMPIONS)
def test_what_passes_has_kept_every_bound_with_finite_numbers(
    asked: Gate, reported: Candidate, champion: Champion | None
) -> None:
    verdict = judge(asked, reported, champion)
    assert verdict.sentence
    if verdict.passed:
        for metric in asked.metrics:
            value = reported.metrics[metric.name]
            assert math.isfinite(value)
            assert metric.min is None or value >= metric.min
            assert metric.max is None or value <= metric.max


@given(ASKED, CANDIDATES, CHAMPIONS, st.floats(min_value=0, max_value=10))
def test_a_better_number_never_turns_a_pass_into_a_rejection(
    asked: Gate, reported: Candidate, champion: Champion | None, gain: float
) -> None:
    unbounded = Gate(
        rule=asked.rule, margin=asked.margin, metrics=tuple(GateMetric(name=m.name) for m in asked.metrics)
    )
    better: Mapping[str, float] = {
        name: value + (0 if name.startswith("champion.") else -gain if name == "rmse" else gain)
        for name, value in reported.metrics.items()
    }
    improved = Candidate(
        metrics=better, holdout=reported.holdout, judged_present_champion=reported.judged_present_champion
    )
    if judge(unbounded, reported, champion).passed:
        assert judge(unbounded, improved, champion).passed
