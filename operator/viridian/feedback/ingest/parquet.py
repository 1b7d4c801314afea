"""Parquet files, unpacked by a process of its own with little memory and little time.

A small file may stand for very much, and its footer may lie about it. So the footer is looked at first, and what it
admits is unpacked where too much ends that process alone. The process lives for one file.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Final

import msgspec

from viridian.feedback.ingest.parquet_footer import Footer, Physical, TooMuch, UnreadableFooter, footer
from viridian.feedback.problems import HttpProblem

SECONDS: Final = 20
_UNPACK: Final = "from viridian.feedback.ingest import parquet_worker; parquet_worker.main()"
_NO_FILE: Final = "the body is not a Parquet file"

Columns = dict[str, list[Any]]


class Job(msgspec.Struct):
    """What the other process is to do."""

    columns: list[str]
    rows: int
    characters: int
    """Of a text: more are cut off, as no text may have so many."""
    unpacked: int
    """Bytes of the columns, as the footer says."""
    answer: int
    """Bytes of the answer."""
    body: bytes


class Unpacked(msgspec.Struct):
    """Its answer: columns of one length, or why there are none."""

    columns: Columns = {}
    problem: str = ""
    too_much: bool = False


_answers: Final = msgspec.msgpack.Decoder(Unpacked)


def columns(body: bytes, wanted: tuple[str, ...], rows: int, characters: int, unpacked: int) -> Columns:
    """Those of the wanted columns that the file has; a problem where they have more rows or bytes than that."""
    try:
        known = footer(body)
    except UnreadableFooter:
        raise HttpProblem(400, _NO_FILE) from None
    except TooMuch as problem:
        raise HttpProblem(413, f"the Parquet file is too large: {problem}") from None
    names = [name for name in wanted if name in known.columns]
    _check(known, names, rows, unpacked)
    job = Job(names, rows, characters, known.bytes_of(names), 2 * unpacked, body)
    answer = _answered(msgspec.msgpack.encode(job))
    if answer.problem:
        raise HttpProblem(413 if answer.too_much else 400, answer.problem)
    return answer.columns


def _check(known: Footer, names: list[str], rows: int, unpacked: int) -> None:
    """Nothing, or a problem with what the footer says."""
    if known.rows > rows:
        raise HttpProblem(413, f"at most {rows} outcomes at once; send them in parts")
    for name in names:
        column = known.columns[name]
        if column.physical in (None, Physical.FIXED_LEN_BYTE_ARRAY) or column.repeated:
            raise HttpProblem(400, f"the column {name} is a list, a structure or bytes; write texts, numbers or times")
    if known.bytes_of(names) > unpacked:
        raise HttpProblem(413, f"the columns of the Parquet file are larger than {unpacked} bytes; send them in parts")


def _answered(job: bytes) -> Unpacked:
    # Nothing of our own environment is handed over: it may hold the password of the database.
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "TMPDIR")}
    environment["POLARS_MAX_THREADS"] = "1"
    command = [sys.executable, "-c", _UNPACK]
    try:
        done = subprocess.run(
            command, input=job, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise HttpProblem(413, f"the Parquet file takes longer than {SECONDS} s to read; send it in parts") from None
    if done.returncode != 0:
        raise HttpProblem(413, "the Parquet file takes too much memory to read, or is damaged; send it in parts")
    try:
        return _answers.decode(done.stdout)
    except msgspec.MsgspecError:
        raise HttpProblem(400, _NO_FILE) from None
