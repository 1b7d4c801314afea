"""Built-in data checks: what each of them finds in Parquet and CSV, and that no value of a row is ever reported."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.support.web_server import web_server
from tests.unit.retraining.world import World, policy, stage_spec
from viridian.api.data_checks import DataCheck
from viridian.api.stage import MAX_REPORT_BYTES, ExitCode, parse_report
from viridian.training import check_data
from viridian.training.checks.checked_table import CheckedTable, table_at
from viridian.training.checks.leakage import alone
from viridian.training.checks.run_checks import run_checks

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ROWS = 200
FORMATS = ("parquet", "csv")


def good() -> pl.DataFrame:
    """Rows in which every check of `ALL_CHECKS` finds nothing."""
    generator = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "id": range(ROWS),
            "age": generator.uniform(18, 90, ROWS).round(3),
            "country": generator.choice(np.array(["FI", "FR"]), ROWS),
            "active": generator.random(ROWS) < 0.5,
            "churned": [int(place % 10 == 0) for place in range(ROWS)],
            "time": [NOW.replace(tzinfo=None) - timedelta(hours=1, minutes=place) for place in range(ROWS)],
        }
    )


ALL_CHECKS: list[dict[str, Any]] = [
    {
        "schema": {
            "columns": [
                {"name": "id", "type": "Integer"},
                {"name": "age", "type": "Number"},
                {"name": "country", "type": "Text"},
                {"name": "active", "type": "Boolean"},
                {"name": "churned"},
                {"name": "time", "type": "Time"},
            ],
            "exact": True,
        }
    },
    {"rowCount": {"min": 100, "max": 1000}},
    {"nulls": {"columns": ["age", "country"], "maxShare": 0.01}},
    {"range": {"column": "age", "min": 0, "max": 120}},
    {"categories": {"column": "country", "values": ["FI", "FR"]}},
    {"unique": {"columns": ["id"]}},
    {"freshness": {"column": "time", "maxAge": "2h"}},
    {"labelRate": {"column": "churned", "min": 0.05, "max": 0.2}},
    {"leakage": {"label": "churned", "exceptColumns": ["id"]}},
]


def saved(frame: pl.DataFrame, folder: Path, kind: str, name: str = "rows") -> Path:
    path = folder / f"{name}.{kind}"
    frame.write_parquet(path) if kind == "parquet" else frame.write_csv(path)
    return path


def sentences(checks: list[dict[str, Any]], path: Path) -> list[str]:
    found = run_checks(msgspec.convert(checks, tuple[DataCheck, ...]), table_at(str(path)), table_at, NOW)
    return [finding.sentence for finding in found]


@pytest.mark.parametrize("kind", FORMATS)
def test_good_rows_pass_every_check(tmp_path: Path, kind: str) -> None:
    assert sentences(ALL_CHECKS, saved(good(), tmp_path, kind)) == []


def with_values(column: str, value: Any, rows: int) -> pl.DataFrame:
    """The good rows with another value in the first of them."""
    chosen = pl.int_range(pl.len()) < rows
    return good().with_columns(pl.when(chosen).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))


BAD: dict[str, tuple[pl.DataFrame, str]] = {
    "a renamed column": (good().rename({"age": "years"}), "schema, column age: there is no such column"),
    "few rows": (good().head(99), "rowCount: there are 99 rows, at least 100 are asked for"),
    "many rows": (pl.concat([good()] * 6), "rowCount: there are 1,200 rows, at most 1,000 are allowed"),
    "gaps": (
        with_values("age", None, 3),
        "nulls, column age: 3 of 200 rows (1.5 %) have no value, at most 1 % may",
    ),
    "out of range": (
        with_values("age", 131.5, 2),
        "range, column age: 2 of 200 rows (1 %) are below 0 or above 120, none may",
    ),
    "an unknown category": (
        with_values("country", "SECRET", 1),
        "categories, column country: 1 of 200 rows (0.5 %) have a value that is not in the list, none may",
    ),
    "a repeated id": (
        with_values("id", 100, 1),
        "unique, column id: 1 of 200 rows (0.5 %) repeat another row, none may",
    ),
    "old rows": (
        good().with_columns(pl.col("time") - timedelta(days=3)),
        "freshness, column time: the newest row is 3.0 days old, at most 2h is allowed",
    ),
    "rows of the future": (
        good().with_columns(pl.col("time") + timedelta(days=4)),
        "freshness, column time: the newest row is 4.0 days in the future",
    ),
    "few positives": (
        with_values("churned", 0, ROWS),
        "labelRate, column churned: 0 of 200 rows (0 %) have the value, at least 5 % must",
    ),
    "many positives": (
        with_values("churned", 1, 100),
        "labelRate, column churned: 110 of 200 rows (55 %) have the value, at most 20 % may",
    ),
    "a column made from the label": (
        good().with_columns(age=pl.col("churned") * 5.0 + 20),
        "leakage, column age: by itself it orders the label with an AUC of 1.000, at most 0.98 is allowed",
    ),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_found_with_check_column_and_numbers(tmp_path: Path, case: str, kind: str) -> None:
    frame, sentence = BAD[case]
    assert sentence in sentences(ALL_CHECKS, saved(frame, tmp_path, kind))


def test_a_renamed_column_is_reported_once_and_stops_no_other_check(tmp_path: Path) -> None:
    found = sentences(ALL_CHECKS, saved(good().rename({"age": "years"}), tmp_path, "parquet"))
    assert found == [
        "schema, column age: there is no such column",
        "schema: it has columns that are not in the schema: years",
    ]
    assert sentences(
        [{"nulls": {"columns": ["years"]}}, {"rowCount": {"min": 201}}], saved(good(), tmp_path, "csv")
    ) == [
        "schema, column years: there is no such column, and nulls needs it",
        "rowCount: there are 200 rows, at least 201 are asked for",
    ]


def test_a_column_of_another_type_is_a_schema_failure(tmp_path: Path) -> None:
    frame = good().with_columns(pl.col("age").cast(pl.String))
    found = sentences(ALL_CHECKS, saved(frame, tmp_path, "parquet"))
    assert "schema, column age: it is Text, not Number" in found
    assert "range, column age: it is Text, not Number" in found


def test_values_of_a_text_file_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    frame = good().with_columns(pl.col("age").cast(pl.String))
    frame = frame.with_columns(age=pl.when(pl.col("id") < 4).then(pl.lit("unknown")).otherwise(pl.col("age")))
    found = sentences(ALL_CHECKS, saved(frame, tmp_path, "csv"))
    assert found == ["schema, column age: 4 of 200 rows (2 %) are not Number"]


def test_nan_is_a_missing_value_and_breaks_no_range(tmp_path: Path) -> None:
    found = sentences(ALL_CHECKS, saved(with_values("age", float("nan"), 10), tmp_path, "parquet"))
    assert found == ["nulls, column age: 10 of 200 rows (5 %) have no value, at most 1 % may"]


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_of_the_holdout_in_the_data_are_counted(tmp_path: Path, kind: str) -> None:
    saved(good().slice(10, 5), tmp_path, "parquet", "holdout")
    data = saved(good().head(13), tmp_path, kind)
    check: dict[str, Any] = {"overlap": {"holdout": str(tmp_path / "holdout.parquet"), "columns": ["id", "age"]}}
    expected = "overlap, column id, age: 3 of 5 rows (60 %) of the holdout are in the data, none may"
    assert sentences([check], data) == [expected]
    check["overlap"]["maxShare"] = 0.6
    assert sentences([check], data) == []


def test_rows_are_unique_by_several_columns_together(tmp_path: Path) -> None:
    path = saved(good().with_columns(half=pl.col("id") // 2, side=pl.col("id") % 2), tmp_path, "parquet")
    assert sentences([{"unique": {"columns": ["half", "side"]}}], path) == []
    repeated = sentences([{"unique": {"columns": ["half", "country"]}}], path)
    assert repeated[0].startswith("unique, column half, country: ")


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    saved(good().head(100), folder, "parquet", "a")
    saved(good().tail(100), folder, "parquet", "b")
    assert sentences(ALL_CHECKS, folder) == []


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-28",
        "2026-11-28 10:30:00",
        "2026-11-28T10:30:00Z",
        "2026-11-28T12:30:00.123+02:00",
        "2026-11-28 05:30:00-0500",
    ],
)
def test_times_of_a_text_file_are_iso_8601(tmp_path: Path, written: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"time\n{written}\n")
    assert sentences([{"freshness": {"column": "time", "maxAge": "12h"}}], path) == []
    age = "12.0" if len(written) == 10 else "1.5"
    assert sentences([{"freshness": {"column": "time", "maxAge": "1h"}}], path) == [
        f"freshness, column time: the newest row is {age} h old, at most 1h is allowed"
    ]


def test_times_with_a_zone_count_in_utc(tmp_path: Path) -> None:
    frame = good().with_columns(pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Helsinki"))
    assert sentences([{"freshness": {"column": "time", "maxAge": "2h"}}], saved(frame, tmp_path, "parquet")) == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_the_area_of_one_column_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    values, labels = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    area = roc_auc_score(labels, values)
    assert alone(values, labels, np.ones(len(rows), dtype=bool)) == pytest.approx(max(area, 1 - area))


# ---- as a container ----


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(path))
    monkeypatch.setenv("VIRIDIAN_CHECKS", json.dumps(ALL_CHECKS))
    for name in ("VIRIDIAN_DATA_URI", "VIRIDIAN_FEEDBACK_URI", "VIRIDIAN_OUT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return path


def fresh(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(time=pl.lit(datetime.now(UTC).replace(tzinfo=None)))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_container_ends_well_on_good_rows(tmp_path: Path, report: Path, kind: str) -> None:
    assert check_data.main([str(saved(fresh(good()), tmp_path, kind))]) == ExitCode.DONE
    assert parse_report(report.read_text()).failures == ()


def test_the_container_ends_with_64_and_its_report_holds_no_value(
    tmp_path: Path, report: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = with_values("age", 777.125, 9).with_columns(country=pl.lit("SECRET"), id=pl.lit(424242))
    monkeypatch.setenv("VIRIDIAN_DATA_URI", saved(frame.rename({"churned": "left"}), tmp_path, "csv").as_uri())
    assert check_data.main([]) == ExitCode.BAD_DATA
    failures, text = parse_report(report.read_text()).failures, report.read_text() + capfd.readouterr().err
    assert failures[0] == "schema, column churned: there is no such column"
    assert failures[-1].startswith("and 3 more, which the log has whole: categories country, unique id")
    assert "unique, column id: 199 of 200 rows" in text
    assert not [value for value in ("777", "SECRET", "424242") if value in text]


def test_features_are_checked_where_they_are_computed_and_bad_ones_are_bad_data(tmp_path: Path, report: Path) -> None:
    world = World(policy=policy(stages={"features": stage_spec(), "training": stage_spec()}))
    world.ask_by_hand("once").settle()
    checks = tmp_path / "checks.json"
    checks.write_text(json.dumps([{"range": {"column": "age", "max": 60}}]))
    code = check_data.main(["--checks", str(checks), str(saved(good(), tmp_path, "parquet"))])
    world.end(code, report.read_text()).settle()
    assert world.last_run["outcome"] == "DataQualityFailed"
    assert "range, column age: " in world.message("DataQuality")
    assert len(world.made) == 1


def test_a_report_with_long_hostile_names_fits(tmp_path: Path, report: Path) -> None:
    names = [f"{'é' * 250}{place}\x1b" for place in range(6)]
    checks = tmp_path / "checks.json"
    checks.write_text(json.dumps([{"nulls": {"columns": names}}, {"unique": {"columns": names}}]))
    rows = saved(good(), tmp_path, "csv")
    assert check_data.main(["--checks", str(checks), str(rows)]) == ExitCode.BAD_DATA
    assert len(report.read_bytes()) <= MAX_REPORT_BYTES
    assert "\x1b" not in report.read_text()


@pytest.mark.parametrize(
    "content", [b"PAR1 and no Parquet at all", b"", b"a,b\n1,2,3\n", b"\xff\xfe\x00,\x81\n\x82,\x83\n"]
)
def test_a_broken_file_is_bad_data_and_is_not_quoted(tmp_path: Path, report: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert check_data.main([str(path)]) == ExitCode.BAD_DATA


def test_rows_that_are_not_there_are_an_error_that_is_tried_again(tmp_path: Path, report: Path) -> None:
    assert check_data.main([str(tmp_path / "none.parquet")]) == 1
    assert check_data.main([]) == 1
    assert "write spec.data.uri, or rows: Feedback" in parse_report(report.read_text()).failures[0]


def test_checks_of_the_feedback_rows_say_that_there_are_none(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRIDIAN_CHECKS", '[{"rows": "Feedback", "rowCount": {"min": 1}}]')
    assert check_data.main([]) == ExitCode.BAD_DATA
    (failure,) = parse_report(report.read_text()).failures
    assert failure == "rowCount: no feedback was received yet, and at least 1 rows are asked for"


def test_before_the_first_feedback_checks_of_columns_hold(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that checks feedback can train the very first version of its model too."""
    monkeypatch.setenv("VIRIDIAN_CHECKS", '[{"rows": "Feedback", "nulls": {"columns": ["features.age"]}}]')
    assert check_data.main([]) == ExitCode.DONE
    monkeypatch.setenv("VIRIDIAN_CHECKS", '[{"rows": "Feedback", "freshness": {"column": "time", "maxAge": "1d"}}]')
    assert check_data.main([]) == ExitCode.BAD_DATA


def test_rows_are_downloaded_over_http(tmp_path: Path, report: Path) -> None:
    saved(fresh(good()), tmp_path, "parquet")
    with web_server(partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as address:
        assert check_data.main([f"{address}/rows.parquet"]) == ExitCode.DONE


def test_checks_that_cannot_be_read_are_a_mistake_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("", "{", '[{"nulls": {"columns": 5}}]'):
        monkeypatch.setenv("VIRIDIAN_CHECKS", wrong)
        with pytest.raises(SystemExit):
            check_data.main([])


def test_a_table_shows_no_rows_where_it_is_printed(tmp_path: Path) -> None:
    table = table_at(str(saved(good(), tmp_path, "csv")))
    assert isinstance(table, CheckedTable)
    assert "lazy" not in repr(table)
