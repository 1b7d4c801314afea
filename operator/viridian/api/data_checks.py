"""Built-in checks of the data that a run trains on. The operator hands them to the container that runs them as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from viridian.api import cel_data_checks as cel
from viridian.api.schema import Rule, Struct, doc, duration, named

CHECKS_VARIABLE: Final = "VIRIDIAN_CHECKS"
"""The environment variable with the checks of a stage: a JSON list of entries as a policy has them."""
MAX_CHECKS: Final = 50
MAX_CHECKS_BYTES: Final = 100_000
"""Linux takes no variable of more than 131,072 bytes."""
_MAX_COLUMN: Final = 256
_MAX_COLUMNS: Final = 500

ColumnName = Annotated[str, doc("Name of a column.", min_length=1, max_length=_MAX_COLUMN)]
_COLUMN: Final = doc("Name of the column.", min_length=1, max_length=_MAX_COLUMN)
_SET: Final = {"x-kubernetes-list-type": "set"}
_COLUMNS: Final = doc("Names of the columns, each once.", min_length=1, max_length=100, extra=_SET)
_SHARE: Final = doc("The share of rows, from 0 to 1, for which this may be otherwise.", ge=0, le=1)


class CheckedRows(StrEnum):
    """Which rows a check is about."""

    DATA = "Data"
    FEEDBACK = "Feedback"


class ColumnType(StrEnum):
    """What the values of a column are."""

    NUMBER = "Number"
    INTEGER = "Integer"
    TEXT = "Text"
    BOOLEAN = "Boolean"
    TIME = "Time"


class ExpectedColumn(Struct, frozen=True, kw_only=True):
    """A column that the data must have."""

    name: ColumnName
    type: (
        Annotated[
            ColumnType, doc("What its values are; Number takes integers too. Left out: the column has to be there.")
        ]
        | None
    ) = None


class SchemaCheck(Struct, frozen=True, kw_only=True):
    """The columns and their types. A renamed column is a missing one."""

    columns: Annotated[tuple[ExpectedColumn, ...], named("name", "The columns.", min_length=1, max_length=_MAX_COLUMNS)]
    exact: Annotated[bool, doc("Whether the data may have no other columns.")] = False


class RowCountCheck(Struct, frozen=True, kw_only=True):
    """How many rows there are."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.one_limit("min: 10000"),)

    min: Annotated[int, doc("At least so many rows.", ge=0)] | None = None
    max: Annotated[int, doc("At most so many rows.", ge=0)] | None = None


class NullsCheck(Struct, frozen=True, kw_only=True):
    """Missing values. A number that is NaN is missing too."""

    columns: Annotated[tuple[ColumnName, ...], _COLUMNS]
    max_share: Annotated[float, _SHARE] = 0.0


class RangeCheck(Struct, frozen=True, kw_only=True):
    """Numbers within bounds. A missing value is none outside."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.one_limit("min: 0, max: 120"),)

    column: Annotated[str, _COLUMN]
    min: Annotated[float, doc("The least value.")] | None = None
    max: Annotated[float, doc("The greatest value.")] | None = None
    max_share: Annotated[float, _SHARE] = 0.0


class CategoriesCheck(Struct, frozen=True, kw_only=True):
    """Values out of a known list. A missing value is none outside."""

    column: Annotated[str, _COLUMN]
    values: Annotated[
        tuple[Annotated[str, doc("A value, as text.", max_length=_MAX_COLUMN)], ...],
        doc("The known values, as text.", min_length=1, max_length=500),
    ]
    max_share: Annotated[float, _SHARE] = 0.0


class UniqueCheck(Struct, frozen=True, kw_only=True):
    """No two rows have the same values in all of these columns."""

    columns: Annotated[tuple[ColumnName, ...], _COLUMNS]
    max_share: Annotated[float, _SHARE] = 0.0


class FreshnessCheck(Struct, frozen=True, kw_only=True):
    """How old the newest row is."""

    column: Annotated[str, doc("The column with the time of a row.", min_length=1, max_length=_MAX_COLUMN)]
    max_age: Annotated[str, duration("How old the newest row may be.", at_least="1m")]


class LabelRateCheck(Struct, frozen=True, kw_only=True):
    """How often the label has one value, among the rows that have a label."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.one_limit("min: 0.01, max: 0.3"),)

    column: Annotated[str, doc("The column with the label.", min_length=1, max_length=_MAX_COLUMN)]
    value: Annotated[str, doc("The value that is counted, as text.", max_length=_MAX_COLUMN)] = "1"
    min: Annotated[float, doc("The least share, from 0 to 1.", ge=0, le=1)] | None = None
    max: Annotated[float, doc("The greatest share, from 0 to 1.", ge=0, le=1)] | None = None


class LeakageCheck(Struct, frozen=True, kw_only=True):
    """No column of numbers or flags orders the two labels by itself: one that does was often made from the label."""

    label: Annotated[str, doc("The column with the label, which has two values.", min_length=1, max_length=_MAX_COLUMN)]
    max_auc: Annotated[
        float,
        doc(
            "The greatest area under the ROC curve that a column may have by itself, in either direction. It is "
            "computed on an evenly spaced sample of at most 20,000 rows.",
            gt=0.5,
            lt=1,
        ),
    ] = 0.98
    except_columns: Annotated[
        tuple[ColumnName, ...], doc("Columns that are no features, such as the id.", max_length=100)
    ] = ()


class OverlapCheck(Struct, frozen=True, kw_only=True):
    """No row of the holdout is in the data."""

    holdout: Annotated[
        str,
        doc(
            "Where the rows of the holdout are: a file, a folder of Parquet files, or an address.",
            min_length=1,
            max_length=2048,
            rules=(cel.ADDRESS_WITHOUT_QUERY,),
        ),
    ]
    columns: Annotated[
        tuple[ColumnName, ...],
        doc("The columns by which rows are the same. None: all that both have.", max_length=100),
    ] = ()
    max_share: Annotated[float, doc("The share of the holdout's rows that may be in the data.", ge=0, le=1)] = 0.0


class DataCheck(Struct, frozen=True, kw_only=True):
    """One check: exactly one kind."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_CHECK,)

    rows: Annotated[
        CheckedRows,
        doc("Data: what spec.data names. Feedback: the predictions and outcomes that were frozen for the run."),
    ] = CheckedRows.DATA
    schema: Annotated[SchemaCheck, doc("The columns and their types.")] | None = None
    row_count: Annotated[RowCountCheck, doc("How many rows there are.")] | None = None
    nulls: Annotated[NullsCheck, doc("Missing values.")] | None = None
    range: Annotated[RangeCheck, doc("Numbers within bounds.")] | None = None
    categories: Annotated[CategoriesCheck, doc("Values out of a known list.")] | None = None
    unique: Annotated[UniqueCheck, doc("No two rows are the same.")] | None = None
    freshness: Annotated[FreshnessCheck, doc("How old the newest row is.")] | None = None
    label_rate: Annotated[LabelRateCheck, doc("How often the label has one value.")] | None = None
    leakage: Annotated[LeakageCheck, doc("No column gives the label away.")] | None = None
    overlap: Annotated[OverlapCheck, doc("No row of the holdout is in the data.")] | None = None


CheckKind = (
    SchemaCheck
    | RowCountCheck
    | NullsCheck
    | RangeCheck
    | CategoriesCheck
    | UniqueCheck
    | FreshnessCheck
    | LabelRateCheck
    | LeakageCheck
    | OverlapCheck
)


def kind_of(check: DataCheck) -> CheckKind | None:
    """What an entry asks; None where it asks nothing, which the API server refuses."""
    kinds = (name for name in check.__struct_fields__ if name != "rows")
    return next((found for name in kinds if (found := getattr(check, name)) is not None), None)
