"""What a check found: its name, the column, and numbers. Never a value of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from viridian.api.stage import MAX_FAILURES
from viridian.api.texts import one_line

_MAX_COLUMN: Final = 60
"""Characters of a column's name that a sentence shows."""


@dataclass(frozen=True, slots=True)
class DataFinding:
    """One way in which the rows are not as a check asks."""

    check: str
    column: str
    detail: str

    @property
    def sentence(self) -> str:
        subject = f", column {one_line(self.column, _MAX_COLUMN)}" if self.column else ""
        return f"{self.check}{subject}: {self.detail}"


def reported(findings: list[DataFinding]) -> tuple[str, ...]:
    """As many sentences as a report holds; the last one names the checks that are left out."""
    if len(findings) <= MAX_FAILURES:
        return tuple(finding.sentence for finding in findings)
    shown, others = findings[: MAX_FAILURES - 1], findings[MAX_FAILURES - 1 :]
    names = ", ".join(dict.fromkeys(f"{one.check} {one_line(one.column, _MAX_COLUMN)}".strip() for one in others))
    return (*(finding.sentence for finding in shown), f"and {len(others)} more, which the log has whole: {names}")


def share(part: int, whole: int) -> str:
    """`1,200 of 10,000 rows (12 %)`."""
    return f"{part:,} of {whole:,} rows ({100 * part / whole if whole else 0:.3g} %)"


def allowed(most: float) -> str:
    """The bound of a check on shares, for the end of a sentence."""
    return f"at most {100 * most:.3g} % may" if most else "none may"


def listed(names: tuple[str, ...]) -> str:
    """Names of columns, the first few of them."""
    shown = ", ".join(one_line(name, _MAX_COLUMN) for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
