"""Arguments that several commands have: the objects that they are about, and what is stored of the past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from viridian.backtest.history import History
from viridian.cli.files import UnusableFile, read_incidents, read_reference, read_windows
from viridian.core.times import parse_time

Objects = Annotated[
    list[Path], typer.Option("--filename", "-f", metavar="FILE|DIR", help="YAML with the objects; may be repeated.")
]
"""Files and folders of manifests, read by `files.read_manifests`."""
WINDOWS: Final = typer.Option(
    metavar="FILE", help="Windows of the collector's /v1/windows: a JSON list, or one window in each line."
)
Profiles = Annotated[
    list[str],
    typer.Option(
        "--profile",
        metavar="[VERSION=]FILE",
        help="Reference profile (viridian/profile.json) of a version, or of all; without one drift is not judged.",
    ),
]
IncidentFile = Annotated[Path | None, typer.Option(metavar="FILE", help="YAML list of name, start, end, cause.")]


def stored_history(windows: Path, profiles: Sequence[str], incidents: Path | None) -> History:
    """What the files hold; UnusableFile for one that cannot be used."""
    return History(
        windows=read_windows(windows),
        references=dict(map(read_reference, profiles)),
        incidents=read_incidents(incidents) if incidents else (),
    )


def amount(text: str) -> float:
    """A number above 0, for the type of an argument."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"{text}: write a number above 0")
    return value


def time_or_now(option: str, text: str | None) -> datetime:
    """The time that an argument names; now for none."""
    at = datetime.now(UTC) if text is None else parse_time(text)
    if at is None:
        raise UnusableFile(f"{option} {text}: write a time such as 2026-11-28T12:00:00Z")
    return at
