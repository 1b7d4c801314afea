"""What the operator is shown of a model's inputs: its signature, and what live rows lacked."""

from __future__ import annotations

from tests.support.sketches import numbers
from viridian.api.input_schema import InputColumn, InputSchema
from viridian.api.profile import Profile
from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Table
from viridian.serving.observation.shown_inputs import shown_inputs

TABLE = Table(
    (
        Column("age", ColumnKind.FLOAT, "FP64"),
        Column("region", ColumnKind.STRING, "BYTES", required=False),
    )
)


def test_columns_come_with_what_was_counted_of_them() -> None:
    sketch = numbers([1.0, 2.0, float("nan")], (1.5,))
    profile = Profile(features={"age": sketch}, prediction=sketch, rows=3, sampled=3)
    assert shown_inputs(TABLE, profile) == InputSchema(
        columns=(
            InputColumn(name="age", datatype="FP64", missing=1),
            InputColumn(name="region", datatype="BYTES", required=False),
        ),
        rows=3,
    )


def test_without_a_profile_nothing_was_counted() -> None:
    shown = shown_inputs(TABLE, None)
    assert (shown.rows, {column.missing for column in shown.columns}) == (0, {None})


def test_a_matrix_has_a_width_alone() -> None:
    assert shown_inputs(Matrix(4), None) == InputSchema(width=4)
