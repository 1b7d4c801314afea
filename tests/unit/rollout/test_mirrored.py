"""What the champion's servers compare: which counts speak, and which are silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.support.snapshots import NOW, SETTINGS, ago_time, sample, slot, spec
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, met, move_of, on_trial, said_of, trial_world
from viridian.api.names import SERVER_CONTAINER
from viridian.api.orders import SHADOW_TARGET_VARIABLE
from viridian.api.samples import ScrapeFailure, ScrapeProblem, ShadowSample
from viridian.core.container_variables import values
from viridian.core.plan import CopyRequests
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.selection import queries, questions
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import read
from viridian.rollout.traffic import record
from viridian.rollout.traffic.copied import comparison_of

PASS, BREACH = CanaryVerdict.PASS, CanaryVerdict.BREACH
NO_DATA, PROVIDER_ERROR = CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR
DISAGREEMENT: Final[dict[str, Any]] = {"name": "disagreement", "max": 0.05, "tolerance": 0.1}
SHIFT: Final[dict[str, Any]] = {"name": "prediction-shift", "max": 0.2}
STEPS: Final = ({"shadow": 20, "duration": "10m"}, {"weight": 50})
SHADOWED: Final = replace(FIRST_STEP, weight=0, shadow=20, servers_copy=True, exposure=met(60), since=ago_time(60))
CHAMPION = slot(BLUE, "1", 2)
HALF = {"0.5": 50.0, "+Inf": 50.0, "missing": 1.0}


def compared(answers: float = 100, differing: float = 0, *, share: float = 20, **more: Any) -> ShadowSample:
    metrics = whole(DISAGREEMENT if more.get("tolerant", True) else SHIFT).rollout.analysis.metrics
    return ShadowSample(
        comparison=more.get("comparison", comparison_of(SHADOWED, metrics)),
        share=share,
        answers=answers,
        disagreement=differing,
        predictions=more.get("predictions", {"champion": HALF, "challenger": HALF}),
    )


def whole(*metrics: Mapping[str, Any], **parts: Any) -> Any:
    return spec(rollout={"steps": list(STEPS), "analysis": {"metrics": list(metrics)}}, **parts)


def world(metrics: Sequence[Mapping[str, Any]], *pods: ShadowSample | str | None, age: float = 0.0) -> RolloutInput:
    """Each pod of the champion, with what it has compared; a text is why it cannot be read."""
    readings: dict[str, Any] = {}
    for pod, found in zip(CHAMPION.pods, pods, strict=False):
        if isinstance(found, str):
            failure = ScrapeFailure(uid=pod.uid, at=NOW, problem=ScrapeProblem.TIMEOUT, message=found)
            readings[pod.uid] = (failure,)
        else:
            readings[pod.uid] = (replace(sample(pod.uid, age, 500), shadow=found),)
    asked = whole(*metrics)
    shown = trial_world(SHADOWED, champion=CHAMPION, challenger=slot(GREEN, "2", 1), whole=asked, readings=readings)
    return replace(shown, settings=replace(SETTINGS, orders_key="the key"))


def judgement(shown: RolloutInput) -> Judgement:
    assert shown.spec is not None
    return read(shown, shown.spec, NOW).judgements[-1]


@pytest.mark.parametrize(
    ("pods", "verdict", "says"),
    [
        ([compared(), compared()], PASS, "disagreement 0 % over 200 compared answers"),
        ([compared(differing=50), compared()], BREACH, "disagreement 25 % over 200 compared answers is above"),
        ([compared(differing=50), "silent"], BREACH, "50 % over 100 compared answers"),
        (
            [compared(differing=50, comparison="earlier"), None],
            NO_DATA,
            "no server of the champion compares answers yet",
        ),
        ([None, None], NO_DATA, "no server of the champion compares answers yet"),
        (["silent", "silent"], PROVIDER_ERROR, "disagreement: silent"),
        (
            [compared(answers=0), compared(answers=0)],
            NO_DATA,
            "where answers are numbers, they count only with a tolera",
        ),
    ],
    ids=["alike", "one differs", "one unreadable", "an earlier trial", "not ordered", "unreadable", "numbers alone"],
)
def test_each_reading_has_its_verdict(pods: list[Any], verdict: CanaryVerdict, says: str) -> None:
    found = judgement(world([DISAGREEMENT], *pods))
    assert (found.verdict, says in found.message) == (verdict, True), found.message


def test_an_old_reading_says_nothing_about_now() -> None:
    assert judgement(world([DISAGREEMENT], compared(differing=50), age=6)).verdict is NO_DATA


@pytest.mark.parametrize(
    ("predictions", "verdict", "says"),
    [
        ({"champion": HALF, "challenger": HALF}, PASS, "is not proved to be above 0.2"),
        ({"champion": {"0.5": 900.0, "+Inf": 100.0}, "challenger": {"0.5": 100.0, "+Inf": 900.0}}, BREACH, "above"),
        (
            {
                "champion": {"no": 900.0, "yes": 100.0, "other": 0.0},
                "challenger": {"no": 1.0, "yes": 999.0, "other": 0.0},
            },
            BREACH,
            "prediction-shift 0.899 ",
        ),
        ({}, NO_DATA, "has no reference profile"),
        ({"champion": {"no": 1.0}, "challenger": {"no": 1.0}}, PROVIDER_ERROR, "cannot be read"),
        ({"champion": {"+Inf": 0.0}, "challenger": {"+Inf": 0.0}}, NO_DATA, "0 of the 5 predictions"),
    ],
    ids=["alike", "numbers", "classes", "no profile", "no bins of ours", "none yet"],
)
def test_predictions_are_compared_on_the_champions_bins(predictions: Any, verdict: CanaryVerdict, says: str) -> None:
    found = judgement(world([DISAGREEMENT, SHIFT], compared(predictions=predictions)))
    assert (found.verdict, says in found.message) == (verdict, True), found.message


def test_without_copies_these_metrics_are_not_asked_for() -> None:
    shown = world([DISAGREEMENT, SHIFT], compared())
    weighted = replace(FIRST_STEP, passed=("shadow-20%",), weight=50)
    later = trial_world(weighted, champion=CHAMPION, whole=shown.spec)
    assert later.spec is not None
    assert read(later, later.spec, NOW).judgements == ()
    assert questions(later, NOW) == []


def test_with_feedback_the_collector_knows_the_shift_in_later_steps() -> None:
    asked = whole(SHIFT, feedback={})
    weighted = trial_world(replace(FIRST_STEP, passed=("shadow-20%",), weight=50), champion=CHAMPION, whole=asked)
    assert len(questions(weighted, NOW)) == 2
    assert questions(replace(world([SHIFT], compared()), spec=asked), NOW) == []


def test_every_pod_of_the_champion_is_ordered_and_read() -> None:
    shown = world([], compared(tolerant=False))
    order = next(one for one in decide(shown, NOW).actions if isinstance(one, CopyRequests))
    assert [target.uid for target in order.targets] == [pod.uid for pod in CHAMPION.pods]
    assert {pod.uid for pod in CHAMPION.pods} <= {pod.uid for pod in queries(shown, NOW)}
    allowed = values(CHAMPION.deployment["spec"]["template"], SERVER_CONTAINER, SHADOW_TARGET_VARIABLE)
    assert (order.order.target, order.order.share) == (*allowed, 20), "the one target that its servers take"


@pytest.mark.parametrize(
    ("pods", "waits"),
    [
        ([compared(), None], False),
        ([compared(share=0), compared(share=0)], True),
        ([None, None], True),
        (["silent", "silent"], True),
    ],
    ids=["one copies", "the leases are over", "none has taken the order", "unreadable"],
)
def test_a_step_goes_on_while_a_server_copies(pods: list[Any], waits: bool) -> None:
    shown = world([DISAGREEMENT], *pods)
    move = move_of(shown)
    assert ("the champion's servers to copy requests" in said_of(shown, move)) is waits


def test_a_looks_interval_of_minutes_gets_longer_leases() -> None:
    shown = world([], compared())
    slow = spec(rollout={"steps": list(STEPS), "analysis": {"interval": "5m", "window": "10m"}})
    plan = decide(replace(shown, spec=slow), NOW)
    order = next(one for one in plan.actions if isinstance(one, CopyRequests))
    assert order.order.seconds == 600
    assert plan.wake is not None
    assert (plan.wake - NOW).total_seconds() <= 200


def test_a_record_of_copies_is_read_back() -> None:
    assert record.parse(record.dump(on_trial(SHADOWED))) == on_trial(SHADOWED)
