"""The process that unpacks one Parquet file: a job on stdin, columns on stdout, and bounds that the kernel holds."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from viridian.feedback.ingest.parquet import Job, Unpacked

_CPU_SECONDS: Final = 15
_LEAST_BYTES: Final = 80 * 1024 * 1024
"""What unpacking takes beside the columns themselves."""
_COPIES: Final = 4
"""Of the columns: as they are unpacked, as texts, as objects, as an answer."""


def main() -> None:
    """Answer the one job. An end by a signal, or any exit code but 0, means: too much."""
    answers, errors = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(errors, 1)
    os.dup2(errors, 2)  # what polars says of its end may quote the file
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    _bound(_LEAST_BYTES + _COPIES * job.unpacked)
    answer = msgspec.msgpack.encode(unpacked(job))
    if len(answer) > job.answer:
        answer = msgspec.msgpack.encode(_too_much(job))
    with os.fdopen(answers, "wb") as out:
        out.write(answer)


def unpacked(job: Job) -> Unpacked:
    """The columns as values of JSON; times as seconds since 1970."""
    try:
        frame = pl.read_parquet(io.BytesIO(job.body), columns=job.columns, n_rows=job.rows + 1, use_statistics=False)
        if frame.height > job.rows:
            return _too_much(job)
        return Unpacked({name: _values(frame[name], job.characters) for name in job.columns})
    except _NoValues as error:
        return Unpacked(problem=f"the column {error} has neither texts nor numbers nor times")
    except MemoryError:
        raise
    except BaseException:
        # Whatever the reader raises may quote the file; its panics are no Exception.
        return Unpacked(problem="the body is not a Parquet file")


class _NoValues(Exception):
    """A column of a type that outcomes do not have."""


def _values(column: pl.Series, characters: int) -> list[object]:
    kind = column.dtype
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return (column.dt.epoch("us").cast(pl.Float64) / 1e6).to_list()
    if kind.is_integer() or kind in (pl.Boolean, pl.Null):
        return column.to_list()
    if kind.is_float() or isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64).to_list()
    if isinstance(kind, (pl.Datetime, pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        raise _NoValues(column.name)
    return column.str.slice(0, characters).to_list()


def _too_much(job: Job) -> Unpacked:
    return Unpacked(problem=f"at most {job.rows} outcomes at once, of short texts; send them in parts", too_much=True)


def _bound(room: int) -> None:
    """So many bytes more than now, and no more."""
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    for limit, bound in (
        (resource.RLIMIT_DATA, used + room),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (bound, bound))
