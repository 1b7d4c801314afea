"""Arguments that several commands have: the objects that they are about, and what is stored of the past."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from viridian.backtest.history import History
from viridian.cli.files import UnusableFile, read_incidents, read_reference, read_windows
from viridian.core.times import parse_time


def add_objects(parser: argparse.ArgumentParser, contents: str) -> None:
    """Files of manifests, read by `files.read_manifests`."""
    parser.add_argument(
        *("-f", "--filename"),
        action="append",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"YAML with {contents}; may be repeated",
    )


def add_history(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Windows, reference profiles and incidents, read by `history_of`."""
    parser.add_argument(
        "--windows",
        type=Path,
        required=required,
        metavar="FILE",
        help="windows of the collector's /v1/windows: a JSON list, or one window in each line",
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="[VERSION=]FILE",
        help="reference profile (viridian/profile.json) of a version, or of all; without one drift is not judged",
    )
    parser.add_argument("--incidents", type=Path, metavar="FILE", help="YAML list of name, start, end, cause")


def history_of(options: argparse.Namespace) -> History:
    """What the files hold; UnusableFile for one that cannot be used."""
    return History(
        windows=read_windows(options.windows),
        references=dict(map(read_reference, options.profile)),
        incidents=read_incidents(options.incidents) if options.incidents else (),
    )


def amount(text: str) -> float:
    """A number above 0, for the type of an argument."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: write a number above 0")
    return value


def time_or_now(option: str, text: str | None) -> datetime:
    """The time that an argument names; now for none."""
    at = datetime.now(UTC) if text is None else parse_time(text)
    if at is None:
        raise UnusableFile(f"{option} {text}: write a time such as 2026-11-28T12:00:00Z")
    return at
