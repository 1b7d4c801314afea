"""A validation by Great Expectations as a stage: its result is read, and the report names what does not hold.

    expectations.end_stage(checkpoint.run())                 ends the team's script with the stage's exit code
    python -m viridian.training.expectations result.json     reads what `describe()` of a result has written

It ends with 0 where every expectation holds, with 64 where one does not, and with 2 where nothing was evaluated or the
result cannot be read. It needs the package without any extra. A result holds values of rows; the report holds none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import msgspec

from viridian.api.stage import MAX_REPORT_BYTES, ExitCode, StageReport
from viridian.api.texts import one_line
from viridian.training import stage_exit
from viridian.training.checks.findings import DataFinding, reported, share

_BROKEN: Final = 2
_MAX_BYTES: Final = 64 << 20
_MAX_NAME: Final = 100
_OF_A_TABLE: Final = "expect_table_"
"""Beginning of the names of expectations whose observed value counts rows or columns, and is no value of a row."""


class Result(Protocol):
    """What a checkpoint, a validation definition or a batch of Great Expectations answers."""

    def describe_dict(self) -> dict[str, Any]:
        """The result in plain types."""


class UnreadableResult(Exception):
    """Why a result says nothing about the data."""


class _Evaluated(msgspec.Struct, frozen=True):
    """One expectation."""

    success: bool
    expectation_type: str
    kwargs: dict[str, Any] = {}
    result: dict[str, Any] = {}


class _Validation(msgspec.Struct, frozen=True):
    """A suite on one batch."""

    expectations: list[_Evaluated]


class _Checkpoint(msgspec.Struct, frozen=True):
    """Several suites."""

    validation_results: list[_Validation]


def end_stage(result: Result) -> NoReturn:
    """Report what does not hold, and end the script as the stage ends."""
    sys.exit(_ended([result.describe_dict()]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the stage."""
    parser = argparse.ArgumentParser(prog="python -m viridian.training.expectations", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="files with the JSON of describe()")
    try:
        return _ended([_read(path) for path in parser.parse_args(arguments).results])
    except UnreadableResult as error:
        return _error(str(error))


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UnreadableResult(f"{path} has more than {_MAX_BYTES >> 20} MiB")
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise UnreadableResult(f"{path} cannot be read: {error}") from None


def _ended(documents: Sequence[Any]) -> int:
    try:
        evaluated = [one for document in documents for one in _expectations(document)]
    except UnreadableResult as error:
        return _error(str(error))
    if not evaluated:
        return _error("no expectation was evaluated: a suite that asks nothing shows nothing")
    findings = [_finding(one) for one in evaluated if not one.success]
    for finding in findings:
        sys.stderr.write(f"{finding.sentence}\n")
    stage_exit.write(StageReport(failures=reported(findings)))
    return int(ExitCode.BAD_DATA if findings else ExitCode.DONE)


def _expectations(document: Any) -> Iterator[_Evaluated]:
    several = isinstance(document, dict) and "validation_results" in document
    try:
        found = msgspec.convert(document if several else {"validation_results": [document]}, _Checkpoint)
    except msgspec.ValidationError as error:
        raise UnreadableResult(f"this is no result of Great Expectations, as describe() writes it: {error}") from None
    for validation in found.validation_results:
        yield from validation.expectations


def _finding(one: _Evaluated) -> DataFinding:
    column = one.kwargs.get("column") or one.kwargs.get("column_list") or one.kwargs.get("column_set") or ""
    named = ", ".join(map(str, column)) if isinstance(column, list) else str(column)
    return DataFinding(one_line(one.expectation_type, _MAX_NAME), named, _detail(one))


def _detail(one: _Evaluated) -> str:
    unexpected, rows, observed = (
        one.result.get(name) for name in ("unexpected_count", "element_count", "observed_value")
    )
    if isinstance(unexpected, int) and isinstance(rows, int):
        return share(unexpected, rows)
    if one.expectation_type.startswith(_OF_A_TABLE) and isinstance(observed, int):
        return f"there are {observed:,}"
    return "does not hold" if one.result else "cannot be evaluated: is the column there?"


def _error(sentence: str) -> int:
    sys.stderr.write(f"{one_line(sentence, MAX_REPORT_BYTES)}\n")
    stage_exit.write(StageReport(failures=(sentence,)))
    return _BROKEN


if __name__ == "__main__":
    sys.exit(main())
