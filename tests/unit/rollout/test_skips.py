"""One skip names several steps and checks: each counts once, and a name that there is not is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import NOW, ago_time, commands, outcome, promoted, record, slot, snapshot, spec
from tests.unit.rollout.cases import (
    BLUE,
    ENTERED,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    V1,
    V2,
    move_of,
    on_trial,
    said_of,
)
from viridian.api import reasons
from viridian.api.input_schema import InputColumn, InputSchema
from viridian.rollout import records
from viridian.rollout.decide import decide
from viridian.rollout.decision import ChangeKind
from viridian.rollout.input import RolloutInput
from viridian.rollout.skip_order import SkipOrder, to_skip

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'f' * 64}"
AGE, PLAN = InputColumn(name="age", datatype="FP64"), InputColumn(name="plan", datatype="BYTES")


def misfit_in_both(skip: str = "", *, same_features: bool = False, known: Any = KNOWN) -> RolloutInput:
    """Version 2 needs a column that requests do not have, and its servers have another definition of features."""
    one, two = known
    made_with = replace(two, model=replace(two.model, features=OLD))
    shown = snapshot(
        wanted="2",
        traffic=ONE_STEADY,
        slots=(slot(BLUE, "1", 3), slot(GREEN, "2", 1)),
        known=(one, made_with),
        annotations=commands(skip=skip) if skip else None,
    )
    schemas = {BLUE: InputSchema(columns=(AGE,)), GREEN: InputSchema(columns=(AGE, PLAN))}
    features = frozenset({OLD if same_features else NEW})
    return replace(shown, input_schemas=schemas, served_features={GREEN: features})


def test_one_order_lets_through_what_two_checks_refuse_and_the_trail_has_both() -> None:
    move = move_of(misfit_in_both(f"{V2}/schema,features#ada"))
    assert move.change is not None
    assert move.change.kind is ChangeKind.STEP_ENTERED
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert move.traffic.trial.approved == f"viridian.dev/skip={V2}/schema,features#ada"


@pytest.mark.parametrize(
    ("skip", "reason"),
    [
        ("", reasons.SCHEMA_MISMATCH),
        (f"{V2}/features#ada", reasons.SCHEMA_MISMATCH),
        (f"{V2}/schema#ada", reasons.FEATURE_SKEW),
        (f"{V1}/schema,features#ada", reasons.SCHEMA_MISMATCH),
    ],
)
def test_each_check_is_skipped_by_its_name_alone_and_the_message_has_the_whole_order(skip: str, reason: str) -> None:
    shown = misfit_in_both(skip)
    move = move_of(shown)
    assert move.reason == reason
    said = said_of(shown, move)
    (order,) = [word for word in said.split() if word.startswith("viridian.dev/skip=")]
    assert sorted(SkipOrder.parse(order.removeprefix("viridian.dev/skip=")).names) == ["features", "schema"]
    followed = move_of(misfit_in_both(order.removeprefix("viridian.dev/skip=")))
    assert followed.change is not None
    assert followed.change.kind is ChangeKind.STEP_ENTERED, "what the message says to write is enough"


def test_a_check_that_does_not_fail_is_not_named() -> None:
    shown = misfit_in_both(same_features=True)
    assert f"viridian.dev/skip={V2}/schema and" in said_of(shown, move_of(shown))


def test_a_check_that_was_skipped_counts_once_and_the_other_names_of_the_order_still_count() -> None:
    skipped = outcome(records.SKIPPED, 60, by=f"viridian.dev/skip={V2}/schema#ada")
    known = (record("1", promoted()), record("2", skipped))
    assert move_of(misfit_in_both(f"{V2}/schema,features#ada", known=known)).reason == reasons.SCHEMA_MISMATCH
    again = move_of(misfit_in_both(f"{V2}/schema,features#2", known=known))
    assert again.change is not None
    assert again.change.kind is ChangeKind.STEP_ENTERED


def test_several_steps_are_ended_one_after_another_by_one_order() -> None:
    """The steps of the tests: 25 %, then 50 %."""
    order = f"{V2}/50%,25%#ada"
    first = replace(FIRST_STEP, since=ago_time(2))
    shown = snapshot(
        wanted="2",
        traffic=on_trial(first),
        slots=(slot(BLUE, "1", 3), slot(GREEN, "2", 2)),
        known=KNOWN,
        annotations=commands(skip=order),
    )
    move = move_of(shown)
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert (move.traffic.trial.step, move.traffic.trial.approved) == (1, f"viridian.dev/skip={V2}/25%#ada")
    done = replace(shown, live=snapshot(traffic=on_trial(move.traffic.trial)).live)
    onward = move_of(done)
    assert onward.traffic is not None
    passed = onward.traffic.trial
    assert passed is None or (passed.step, passed.approved) == (2, f"viridian.dev/skip={V2}/50%#ada")


def understood(shown: RolloutInput) -> list[tuple[str, str]]:
    plan = decide(shown, NOW)
    found = (plan.status or {})["conditions"]
    return [(one["reason"], one["message"]) for one in found if one["type"] == reasons.ORDERS_UNDERSTOOD]


@pytest.mark.parametrize("trial", [None, ENTERED], ids=["before its trial", "in it"])
def test_a_name_that_there_is_not_is_told_with_those_that_there_are(trial: Any) -> None:
    traffic = ONE_STEADY if trial is None else on_trial(trial)
    named = spec(rollout={"steps": [{"name": "few", "weight": 5}, {"weight": 50}]})
    shown = snapshot(
        of=named,
        wanted="2",
        traffic=traffic,
        slots=(slot(BLUE, "1", 3, of=named), slot(GREEN, "2", 1, of=named)),
        known=(record("1", promoted(), of=named), record("2", of=named)),
    )
    revision = next(one.revision for one in shown.records.values() if one.model.version == "2")
    if trial is not None:
        shown = replace(shown, live=snapshot(of=named, traffic=on_trial(replace(trial, revision=revision))).live)
    wrong = replace(shown, annotations=commands(skip=f"{revision}/shema, few,5%#ada"))
    ((reason, message),) = understood(wrong)
    assert reason == reasons.UNKNOWN_STEP
    assert "viridian.dev/skip names shema, 5%, which is no step" in message
    assert message.endswith("few, 50%, probation, schema, features")
    (told,) = [event for event in decide(wrong, NOW).news if event.reason == reasons.EVENT_ORDER_NOT_UNDERSTOOD]
    assert told.message == message
    for fine in (f"{revision}/few,50%,schema#ada", f"{revision}#ada", f"{V1}/shema#ada", ""):
        assert understood(replace(shown, annotations=commands(skip=fine))) == [], "of another revision it is old news"


@given(st.text(max_size=40))
def test_any_value_is_read(value: str) -> None:
    order = SkipOrder.parse(value)
    assert all(name == name.strip() and name for name in order.names)
    command = order.about(order.names)
    assert all(order.is_counted(name, [command]) for name in order.names)
    assert not order.is_counted("other", [command]) or "other" in order.names


def test_a_name_is_added_to_those_of_the_same_revision() -> None:
    assert to_skip("", "abc", "schema") == "viridian.dev/skip=abc/schema"
    assert to_skip("abc/few#ada", "abc", "schema", "few") == "viridian.dev/skip=abc/few,schema"
    assert to_skip("old/few#ada", "abc", "schema") == "viridian.dev/skip=abc/schema"
