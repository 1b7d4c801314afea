"""What scanners find, and the exceptions: each names a check and objects, and says why it is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

EXCEPTIONS = Path(__file__).with_name("exceptions.yaml")
TOOLS = ("kube-score", "checkov", "bandit")


@dataclass(frozen=True, order=True)
class Finding:
    """A check of a tool that an object, or a place in the code, does not pass."""

    tool: str
    check: str
    where: str
    """Kind and name of an object (`Deployment/viridian-operator`), or a file."""
    what: str

    def __str__(self) -> str:
        return f"{self.tool} {self.check} at {self.where}: {self.what}"


@dataclass(frozen=True)
class Excepted:
    """Findings that are right about us and change nothing, and why."""

    tool: str
    check: str
    where: tuple[str, ...]
    """Patterns, as file names have them."""
    because: str

    def covers(self, finding: Finding) -> bool:
        return (self.tool, self.check) == (finding.tool, finding.check) and any(
            fnmatchcase(finding.where, pattern) for pattern in self.where
        )

    def __str__(self) -> str:
        return f"{self.tool} {self.check} at {', '.join(self.where)}"


class Unreasoned(ValueError):
    """The file of exceptions cannot be used."""


def read_exceptions(file: Path = EXCEPTIONS) -> tuple[Excepted, ...]:
    """Every exception; raises Unreasoned for one without a reason."""
    return tuple(_excepted(entry) for entry in yaml.safe_load(file.read_text()) or ())


def _excepted(entry: Any) -> Excepted:
    if not isinstance(entry, dict) or set(entry) != {"tool", "check", "where", "because"}:
        raise Unreasoned(f"an exception has tool, check, where and because, and this one has not: {entry}")
    tool, check, because = str(entry["tool"]), str(entry["check"]), " ".join(str(entry["because"]).split())
    if tool not in TOOLS:
        raise Unreasoned(f"{tool} is none of {', '.join(TOOLS)}")
    if len(because.split()) < 4:
        raise Unreasoned(f"{tool} {check} is excepted without a reason: {because!r}")
    where = entry["where"] if isinstance(entry["where"], list) else [entry["where"]]
    return Excepted(tool, check, tuple(map(str, where)), because)


def complaints(findings: Iterable[Finding], exceptions: Sequence[Excepted]) -> list[str]:
    """Findings that nothing excepts, and exceptions (or parts of them) that nothing needs any more."""
    found = set(findings)
    new = sorted(finding for finding in found if not any(one.covers(finding) for one in exceptions))
    unused = [
        Excepted(one.tool, one.check, (pattern,), one.because)
        for one in exceptions
        for pattern in one.where
        if not any(Excepted(one.tool, one.check, (pattern,), "").covers(finding) for finding in found)
    ]
    return [
        *(f"new: {finding}" for finding in new),
        *(f"no longer needed, take it out of {EXCEPTIONS.name}: {one}" for one in unused),
    ]
