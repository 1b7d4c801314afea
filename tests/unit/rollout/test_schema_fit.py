"""Challengers that would refuse live requests: found by the columns of both, before anybody asks them anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import commands, slot, snapshot
from tests.unit.rollout.cases import BLUE, GREEN, KNOWN, ONE_STEADY, V2, move_of, said_of
from viridian.api import reasons
from viridian.api.input_schema import InputColumn, InputSchema
from viridian.rollout.decision import ChangeKind
from viridian.rollout.input import RolloutInput, slots_before_a_trial
from viridian.rollout.schema_fit import misfit


def table(*columns: InputColumn, rows: int = 500) -> InputSchema:
    return InputSchema(columns=columns, rows=rows)


def column(name: str, datatype: str = "FP64", **more: Any) -> InputColumn:
    return InputColumn(name=name, datatype=datatype, **more)


AGE, PLAN = column("age"), column("plan", "BYTES")
MAYBE = column("region", "BYTES", required=False, missing=20)
ALWAYS = column("region", "BYTES", required=False, missing=0)
UNCOUNTED = column("region", "BYTES", required=False)
NEEDED = column("region", "BYTES")
PRESENT = table(AGE, PLAN)


@pytest.mark.parametrize(
    ("champion", "challenger", "problem"),
    [
        (PRESENT, PRESENT, ""),
        (PRESENT, table(PLAN, AGE), ""),
        (PRESENT, table(AGE, PLAN, MAYBE), ""),
        (table(AGE, NEEDED), table(AGE, MAYBE), ""),
        (PRESENT, table(AGE, PLAN, NEEDED), "it needs the column region, which requests do not have"),
        (
            PRESENT,
            table(AGE, PLAN, NEEDED, column("größe")),
            "it needs the columns region, größe, which requests do not have",
        ),
        (table(AGE, MAYBE), table(AGE, NEEDED), "it needs the column region, which requests may leave out"),
        (table(AGE, UNCOUNTED), table(AGE, NEEDED), "it needs the column region, which requests may leave out"),
        (table(AGE, ALWAYS), table(AGE, NEEDED), ""),
        (table(AGE, ALWAYS, rows=0), table(AGE, NEEDED), "it needs the column region, which requests may leave out"),
        (PRESENT, table(AGE), "it has no column plan, which requests have"),
        (PRESENT, table(column("age", "BYTES"), PLAN), "it takes other types of age (FP64, now BYTES)"),
        (PRESENT, table(column("age", "INT64"), PLAN), "it takes other types of age (FP64, now INT64)"),
        (table(column("age", "INT32")), table(column("age", "INT64")), ""),
        (
            table(column("age", "INT64")),
            table(column("age", "INT32")),
            "it takes other types of age (INT64, now INT32)",
        ),
        (table(column("age", "INT64")), table(column("age", "FP32")), ""),
        (table(column("age", "BOOL")), table(column("age", "FP32")), "it takes other types of age (BOOL, now FP32)"),
        (InputSchema(width=4), InputSchema(width=4), ""),
        (InputSchema(width=4), InputSchema(), ""),
        (InputSchema(width=4), InputSchema(width=5), "it takes 5 numbers a row, and requests have 4"),
        (InputSchema(width=2), table(AGE, column("b")), ""),
        (InputSchema(width=2), table(AGE), "it takes 1 numbers a row, and requests have 2"),
        (InputSchema(width=2), PRESENT, "it needs the column plan, and requests have numbers without names"),
        (PRESENT, InputSchema(width=2), "it takes numbers without names, and requests name columns"),
    ],
)
def test_what_of_the_requests_is_refused(champion: InputSchema, challenger: InputSchema, problem: str) -> None:
    assert misfit(champion, challenger) == problem


def test_a_column_that_servers_take_beside_the_model_may_go() -> None:
    assert misfit(PRESENT, table(AGE), frozenset({"plan"})) == ""


def test_many_and_long_names_stay_readable() -> None:
    wide = table(*(column(f"{number:03}" + "x" * 5000) for number in range(500)))
    problem = misfit(PRESENT, wide)
    assert "and 490 more" in problem
    assert len(problem) < 1000


def world(champion: InputSchema | None, challenger: InputSchema | None, **more: Any) -> RolloutInput:
    """Version 2 is ready in green, and nothing was sent to it."""
    shown = snapshot(
        wanted="2",
        traffic=ONE_STEADY,
        slots=(slot(BLUE, "1", 2), slot(GREEN, "2", 1)),
        known=KNOWN,
        **more,
    )
    schemas = {BLUE: champion, GREEN: challenger}
    return replace(shown, input_schemas={slot: one for slot, one in schemas.items() if one is not None})


BAD = world(PRESENT, table(AGE, PLAN, NEEDED))


def test_it_is_rejected_before_its_trial() -> None:
    move = move_of(BAD)
    assert (move.reason, move.change and move.change.kind) == (reasons.SCHEMA_MISMATCH, ChangeKind.REJECTED)
    assert move.traffic is not None
    assert move.traffic.trial is None
    assert move.change is not None
    assert not move.change.exposed
    said = said_of(BAD, move)
    assert "it needs the column region, which requests do not have" in said
    assert f"viridian.dev/skip={V2}/schema" in said


@pytest.mark.parametrize(
    "shown",
    [
        world(PRESENT, table(AGE, PLAN, MAYBE)),
        world(None, table(AGE, PLAN, NEEDED)),
        world(PRESENT, None),
        world(PRESENT, table(AGE, PLAN, NEEDED), annotations=commands(skip=f"{V2}/schema")),
    ],
    ids=["it fits", "the champion shows nothing", "it shows nothing", "a person has skipped the check"],
)
def test_its_trial_begins(shown: RolloutInput) -> None:
    move = move_of(shown)
    assert move.change is not None
    assert move.change.kind is ChangeKind.STEP_ENTERED


def test_a_skip_counts_for_this_rollout_alone() -> None:
    move = move_of(world(PRESENT, table(AGE, PLAN, NEEDED), annotations=commands(skip=f"{V2}/schema")))
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert move.traffic.trial.approved == f"viridian.dev/skip={V2}/schema"


def test_servers_are_asked_only_before_a_trial() -> None:
    assert set(slots_before_a_trial(BAD)) == {BLUE, GREEN}
    steady = replace(ONE_STEADY, former=V2)
    assert (
        slots_before_a_trial(snapshot(wanted="1", traffic=steady, slots=(slot(BLUE, "1"), slot(GREEN, "2", 1)))) == ()
    )
    assert slots_before_a_trial(snapshot(wanted="1", traffic=ONE_STEADY, slots=(slot(BLUE, "1"),))) == ()
