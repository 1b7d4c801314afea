"""Outcomes in all the forms in which they are sent. A row that makes no sense does not keep the others out.

However small a body is and whatever stands in it, it takes memory and time in proportion to the body limit at most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from viridian.api.feedback import Outcome, Source
from viridian.feedback.identifiers import MAX_TEXT, is_id, is_text
from viridian.feedback.ingest import parquet
from viridian.feedback.ingest.csv_reader import NotCsv, TooWide, csv_rows
from viridian.feedback.ingest.json_amounts import check_values
from viridian.feedback.ingest.outcomes import RANKS, OutcomeInput
from viridian.feedback.ingest.plausible_times import TIMES, is_plausible_time
from viridian.feedback.number_texts import number
from viridian.feedback.problems import HttpProblem, misunderstood

MAX_ROWS: Final = 50_000
COLUMNS: Final = ("prediction_id", "outcome", "time", "source", "label_definition")
_FORMS: Final = "JSON, JSON lines, CSV, Parquet or a form"
_LEAP: Final = re.compile(r"(T\d\d:\d\d:)60")
_LINE: Final = re.compile(rb"[^\r\n]+")
_LONGEST_TIME: Final = 64
MAX_FIELDS: Final = 100
"""Of a form."""
MAX_UNPACKED: Final = 64 << 20
"""Bytes of the wanted columns of a Parquet file, before they are compressed."""

_row = msgspec.json.Decoder(Outcome)
_several = msgspec.json.Decoder(list[msgspec.Raw])

Understood = tuple[list[OutcomeInput], list[dict[str, Any]]]
"""Rows, and those that were not understood: `row` and `problem`."""


class NotUnderstood(Exception):
    """One row; the message does not repeat it."""


def outcomes(content_type: str, body: bytes, now: float) -> Understood:
    """What the body says now. A problem when nothing of it can be read, or when a single outcome makes no sense."""
    kind = content_type.partition(";")[0].strip().lower()
    read = _READERS.get(kind)
    if read is None:
        raise HttpProblem(415, f"outcomes are sent as {_FORMS}; the Content-Type must say which: {', '.join(_READERS)}")
    decoded: list[OutcomeInput] = []
    refused: list[dict[str, Any]] = []
    for row, make in enumerate(read(body)):
        if row >= MAX_ROWS:
            raise HttpProblem(413, f"at most {MAX_ROWS} outcomes at once; send them in parts")
        try:
            decoded.append(_outcome_input(row, make(), now))
        except NotUnderstood as problem:
            refused.append({"row": row, "problem": str(problem)})
    if not decoded and len(refused) == 1 and kind in _SINGLE:
        raise HttpProblem(400, f"the outcome was not understood: {refused[0]['problem']}")
    return decoded, refused


_Make = Callable[[], Outcome]


def _json(body: bytes) -> Iterator[_Make]:
    if body.lstrip()[:1] != b"[":
        return iter([lambda: _decoded(body)])
    check_values(body)
    try:
        rows = _several.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise misunderstood(error, "a JSON list of outcomes") from None
    return (lambda row=row: _decoded(row) for row in rows)  # type: ignore[misc]


def _lines(body: bytes) -> Iterator[_Make]:
    lines = (found[0] for found in _LINE.finditer(body))
    return (lambda line=line: _decoded(line) for line in lines if not line.isspace())  # type: ignore[misc]


def _decoded(row: bytes | msgspec.Raw) -> Outcome:
    try:
        return _row.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(misunderstood(error, "an outcome with prediction_id and outcome").sentence) from None


def _csv(body: bytes) -> Iterator[_Make]:
    try:
        names, rows = csv_rows(body)
        _check_columns(names)
        for row in rows:
            # A row that ends early says nothing of the columns behind it.
            fields = dict(zip(names, row, strict=False))
            yield lambda fields=fields: _from_fields(fields)  # type: ignore[misc]
    except TooWide as error:
        raise HttpProblem(413, str(error)) from None
    except NotCsv:
        raise HttpProblem(400, "the body is not CSV with a line of column names") from None


def _parquet(body: bytes) -> Iterator[_Make]:
    columns = parquet.columns(body, COLUMNS, MAX_ROWS, MAX_TEXT + 1, MAX_UNPACKED)
    _check_columns(columns)
    rows = zip(*columns.values(), strict=True)
    return (lambda row=row: _from_fields(dict(zip(columns, row, strict=True))) for row in rows)  # type: ignore[misc]


def _check_columns(names: Collection[str]) -> None:
    missing = [name for name in COLUMNS[:2] if name not in names]
    if missing:
        raise HttpProblem(400, f"the column {missing[0]} is missing; the columns are {', '.join(COLUMNS)}")


def _form(body: bytes) -> Iterator[_Make]:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise HttpProblem(400, "the body is no form") from None
    return iter([lambda: _from_fields({name: fields.get(name) for name in COLUMNS})])


def _from_fields(fields: dict[str, Any]) -> Outcome:
    """Of tables and forms: everything may be text, and empty means absent."""
    value = {name: value for name, value in fields.items() if name in COLUMNS and value is not None and value != ""}
    if isinstance(value.get("time"), str) and (seconds := number(value["time"])) is not None:
        value["time"] = seconds
    try:
        return msgspec.convert(value, Outcome)
    except msgspec.ValidationError as error:
        raise NotUnderstood(misunderstood(error, "an outcome with prediction_id and outcome").sentence) from None


def outcome_of_fields(fields: dict[str, Any], now: float) -> OutcomeInput:
    """One outcome out of a form's fields."""
    return _outcome_input(0, _from_fields(fields), now)


def _outcome_input(row: int, outcome: Outcome, now: float) -> OutcomeInput:
    if not is_id(outcome.prediction_id):
        raise NotUnderstood("a prediction_id has letters, digits, '.', '_' and '-', and at most 64 of them")
    value = outcome.outcome
    if isinstance(value, str) and not (value and is_text(value)):
        raise NotUnderstood(f"an outcome has 1 to {MAX_TEXT} characters, none of them NUL")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotUnderstood("the outcome is no finite number")
    if not is_text(outcome.label_definition):
        raise NotUnderstood(f"label_definition has at most {MAX_TEXT} characters, none of them NUL")
    time = _seconds(outcome.time)
    if time is not None and not is_plausible_time(time, now):
        raise NotUnderstood(TIMES)
    return OutcomeInput(row, outcome.prediction_id, value, time, RANKS[outcome.source], outcome.label_definition)


def _seconds(time: float | str | None) -> float | None:
    if not isinstance(time, str):
        return time
    # Python knows no leap second, which RFC 3339 does, and no small letters.
    text, leap = _LEAP.subn(r"\g<1>59", time[:_LONGEST_TIME].upper())
    try:
        parsed = datetime.fromisoformat(text) if len(time) <= _LONGEST_TIME else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise NotUnderstood("the time is neither seconds since 1970 nor RFC 3339, such as 2026-11-24T12:00:00Z")
    return parsed.timestamp() + leap


def needs_label_right(decoded: Iterable[OutcomeInput]) -> bool:
    """Whether somebody speaks as a person whose word counts most."""
    return any(one.rank == RANKS[Source.HUMAN] for one in decoded)


_READERS: Final[dict[str, Callable[[bytes], Iterator[_Make]]]] = {
    "application/json": _json,
    "application/x-ndjson": _lines,
    "application/jsonl": _lines,
    "text/csv": _csv,
    "application/vnd.apache.parquet": _parquet,
    "application/x-www-form-urlencoded": _form,
}
_SINGLE: Final = ("application/json", "application/x-www-form-urlencoded")
