"""The built-in checks as a container runs them.

    python -m viridian.training.check_data [--checks FILE] [ROWS]

Checks come from VIRIDIAN_CHECKS, or from a file of JSON; rows from VIRIDIAN_DATA_URI and VIRIDIAN_FEEDBACK_URI, or from
the path that is given: so a stage that makes features may check them before it ends. It ends with 0 where all checks
hold and with 64 where one does not; then the report names check, column and numbers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from viridian.api.address import shown
from viridian.api.data_checks import CHECKS_VARIABLE, CheckedRows, DataCheck
from viridian.api.stage import MAX_REPORT_BYTES, ExitCode, StageReport
from viridian.api.texts import one_line
from viridian.training import feedback, stage_exit, web
from viridian.training.checks.checked_table import CheckedTable, UnreadableRows, table_at
from viridian.training.checks.findings import DataFinding, reported
from viridian.training.checks.run_checks import run_checks
from viridian.training.resolvers.fetched_files import fetch, is_in_a_repository
from viridian.training.resolvers.resolved_data import CannotResolve

NO_FEEDBACK: Final = "no feedback was received yet"


class NoRows(Exception):
    """There is nothing to check."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m viridian.training.check_data", description=__doc__)
    parser.add_argument("--checks", type=Path, help=f"JSON file of checks [{CHECKS_VARIABLE}]")
    parser.add_argument("rows", nargs="?", default="", help="rows to check instead of those of the run")
    given = parser.parse_args(arguments)
    text = given.checks.read_text() if given.checks else os.environ.get(CHECKS_VARIABLE, "")
    try:
        checks = msgspec.json.decode(text or "[]", type=tuple[DataCheck, ...])
    except msgspec.MsgspecError as error:
        parser.error(f"the checks cannot be read: {error}")
    if not checks:
        parser.error(f"there are no checks: set {CHECKS_VARIABLE}, or give a file")
    with tempfile.TemporaryDirectory(dir=os.environ.get("VIRIDIAN_OUT_DIR") or None) as scratch:
        try:
            findings = _findings(checks, given.rows, Path(scratch))
        except (NoRows, CannotResolve, OSError) as error:
            return _ended(1, (one_line(str(error), MAX_REPORT_BYTES),))
    for finding in findings:
        sys.stderr.write(f"{finding.sentence}\n")
    if findings:
        return _ended(ExitCode.BAD_DATA, reported(findings))
    sys.stderr.write(f"all {len(checks)} checks hold\n")
    return _ended(ExitCode.DONE, ())


def _ended(code: int, failures: tuple[str, ...]) -> int:
    if code == 1:
        sys.stderr.write(f"{failures[0]}\n")
    stage_exit.write(StageReport(failures=failures))
    return int(code)


def _findings(checks: tuple[DataCheck, ...], path: str, scratch: Path) -> list[DataFinding]:
    now, found = datetime.now(UTC), []
    for rows in CheckedRows:
        about = [check for check in checks if check.rows is rows]
        if not about:
            continue
        try:
            place = _local(path, scratch) if path else _place(rows, scratch)
            if place is None:
                sys.stderr.write(f"{NO_FEEDBACK}: checks of columns have nothing to look at\n")
                found += [finding for check in about if (finding := _without_rows(check)) is not None]
                continue
            table = table_at(place)
            found += run_checks(about, table, lambda address: _held_out(address, scratch), now)
        except UnreadableRows as error:
            found.append(DataFinding("schema", "", f"the {rows} rows cannot be read: {error}"))
    return found


def _without_rows(check: DataCheck) -> DataFinding | None:
    """What a check says where no feedback came yet, as before a model's first version: only number and age count."""
    if check.row_count is not None and check.row_count.min:
        return DataFinding("rowCount", "", f"{NO_FEEDBACK}, and at least {check.row_count.min:,} rows are asked for")
    if check.freshness is not None:
        return DataFinding("freshness", check.freshness.column, NO_FEEDBACK)
    return None


def _place(rows: CheckedRows, scratch: Path) -> str | None:
    """Where the rows are, on this computer or as an address that polars reads; None for feedback that has not come."""
    if rows is CheckedRows.FEEDBACK:
        path = feedback.download(scratch / "feedback.parquet")
        return str(path) if path is not None else None
    uri = os.environ.get("VIRIDIAN_DATA_URI", "")
    if not uri:
        raise NoRows("the policy names no data: write spec.data.uri, or rows: Feedback in the checks")
    return _local(uri, scratch, os.environ.get("VIRIDIAN_DATA_REVISION", ""))


def _held_out(address: str, scratch: Path) -> CheckedTable:
    try:
        return table_at(_local(address, scratch))
    except UnreadableRows:
        raise NoRows(f"the holdout {shown(address)} is no Parquet and no CSV file") from None


def _local(uri: str, scratch: Path, revision: str = "") -> str:
    """A file or folder on this computer with the rows; s3:// and what else polars reads in parts stays as it is."""
    if is_in_a_repository(uri):
        return str(fetch(uri, revision, Path(tempfile.mkdtemp(dir=scratch))))
    if urlsplit(uri).scheme == "file":
        return urlsplit(uri).path
    if not web.is_web_address(uri):
        return uri
    target = scratch / f"{len(list(scratch.iterdir()))}-{Path(urlsplit(uri).path).name or 'rows'}"
    return str(web.download(uri, target))


if __name__ == "__main__":
    sys.exit(main())
