"""One metric, one verdict, one sentence."""

from __future__ import annotations

import pytest

from viridian.judgement.canary import Bound, CanaryVerdict, Judgement, judge, overall, unreadable
from viridian.judgement.counts import Counts

INF = float("inf")
ERRORS = Bound("error-rate", 0.01, min_samples=5)
SUCCESS = Bound("success-rate", 0.99, min_samples=5)
P95 = Bound("latency-p95", 0.25, min_samples=5)


def errors(bad: float, total: float) -> Counts:
    return Counts(total, bad)


def slow(share: float, total: float = 200) -> Counts:
    fast = total * (1 - share)
    return Counts(total, 0, ((0.1, fast), (0.25, fast), (1.0, total), (INF, total)))


@pytest.mark.parametrize(
    ("bound", "counts", "verdict", "sentence"),
    [
        (ERRORS, errors(0, 4), CanaryVerdict.NO_DATA, "error-rate: 4 of the 5 samples that are needed"),
        (ERRORS, errors(0, 0), CanaryVerdict.NO_DATA, "error-rate: 0 of the 5 samples that are needed"),
        (ERRORS, errors(0, 500), CanaryVerdict.PASS, "error-rate 0 % over 500 requests keeps the maximum 1 %"),
        (
            ERRORS,
            errors(1, 20),
            CanaryVerdict.PASS,
            "error-rate 5 % over 20 requests is above the maximum 1 %, but that may be chance (evidence 1.33 of 100)",
        ),
        (ERRORS, errors(4, 20), CanaryVerdict.BREACH, "error-rate 20 % over 20 requests is above the maximum 1 %"),
        (SUCCESS, errors(0, 500), CanaryVerdict.PASS, "success-rate 100 % over 500 requests keeps the minimum 99 %"),
        (
            SUCCESS,
            errors(30, 100),
            CanaryVerdict.BREACH,
            "success-rate 70 % over 100 requests is below the minimum 99 %",
        ),
        (P95, slow(0.01), CanaryVerdict.PASS, "latency-p95 96 ms over 200 requests keeps the maximum 250 ms"),
        (P95, slow(0.30), CanaryVerdict.BREACH, "latency-p95 875 ms over 200 requests is above the maximum 250 ms"),
        (P95, Counts(100, 0), CanaryVerdict.NO_DATA, "latency-p95: 0 of the 5 samples that are needed"),
    ],
)
def test_a_verdict(bound: Bound, counts: Counts, verdict: CanaryVerdict, sentence: str) -> None:
    judgement = judge(bound, [counts], evidence_needed=100)
    assert judgement.verdict is verdict
    assert judgement.message == sentence
    assert judgement.beyond is ("that may be chance" in sentence)


@pytest.mark.parametrize(
    ("looks", "verdict"), [(1, CanaryVerdict.BREACH), (2, CanaryVerdict.BREACH), (3, CanaryVerdict.PASS)]
)
def test_every_one_of_the_newest_looks_must_breach(looks: int, verdict: CanaryVerdict) -> None:
    bad, fine = errors(30, 100), errors(0, 100)
    bound = Bound("error-rate", 0.01, min_samples=5, consecutive=looks)
    assert judge(bound, [bad, bad, fine][:looks], evidence_needed=100).verdict is verdict


def test_a_good_look_in_between_starts_the_count_anew() -> None:
    bad, fine = errors(30, 100), errors(0, 100)
    bound = Bound("error-rate", 0.01, min_samples=5, consecutive=2)
    found = judge(bound, [bad, fine, bad][:2], evidence_needed=100)
    assert found.verdict is CanaryVerdict.PASS
    assert found.message.endswith("look 1 of 2")


def test_a_look_with_too_few_samples_is_no_breach() -> None:
    bound = Bound("error-rate", 0.01, min_samples=50, consecutive=2)
    assert judge(bound, [errors(60, 60), errors(40, 40)], evidence_needed=100).verdict is CanaryVerdict.PASS


def test_how_sure_the_judge_must_be_is_the_users_choice() -> None:
    counts = errors(2, 20)
    assert judge(ERRORS, [counts], evidence_needed=1).verdict is CanaryVerdict.BREACH
    assert judge(ERRORS, [counts], evidence_needed=1000).verdict is CanaryVerdict.PASS


def test_evidence_is_a_number_that_json_can_hold() -> None:
    judgement = judge(Bound("error-rate", 0, min_samples=1), [errors(1, 1)], evidence_needed=100)
    assert judgement.evidence == 1e9


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], CanaryVerdict.PASS),
        ([CanaryVerdict.PASS, CanaryVerdict.NO_DATA], CanaryVerdict.NO_DATA),
        ([CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR], CanaryVerdict.PROVIDER_ERROR),
        ([CanaryVerdict.PROVIDER_ERROR, CanaryVerdict.BREACH, CanaryVerdict.PASS], CanaryVerdict.BREACH),
    ],
)
def test_a_breach_outweighs_blindness_and_blindness_outweighs_health(
    verdicts: list[CanaryVerdict], expected: CanaryVerdict
) -> None:
    assert overall([Judgement("m", verdict, "") for verdict in verdicts]) is expected


def test_what_cannot_be_read_is_neither_health_nor_breach() -> None:
    assert unreadable(ERRORS, "/metrics is silent") == Judgement(
        "error-rate", CanaryVerdict.PROVIDER_ERROR, "error-rate: /metrics is silent"
    )
