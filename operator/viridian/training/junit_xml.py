"""JUnit XML as pytest, Maven and others write it, read as a stream: no tree, no entities, bounded size and depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

MAX_BYTES: Final = 64 << 20
MAX_DEPTH: Final = 32
MAX_FAILED: Final = 1000
"""Names of failed tests that are kept."""
_BLOCK: Final = 1 << 16
_FAILURES: Final = ("failure", "error")


class UnreadableReport(Exception):
    """There is no report, or one that is no JUnit XML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """How many tests ran, and which of them failed."""

    ran: int = 0
    failed: tuple[str, ...] = ()

    @classmethod
    def of(cls, results: Iterable[SuiteResult]) -> SuiteResult:
        """Several reports as one."""
        known = tuple(results)
        failed = tuple(name for one in known for name in one.failed)[:MAX_FAILED]
        return cls(ran=sum(one.ran for one in known), failed=failed)


def read_junit(path: Path) -> SuiteResult:
    """What a report shows. UnreadableReport for a file that is not there, too large, or no JUnit XML."""
    reader = _Reader()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableReport(f"the test report {path.name} has more than {MAX_BYTES >> 20} MiB")
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                reader.parser.Parse(block, False)
            reader.parser.Parse(b"", True)
    except FileNotFoundError:
        raise UnreadableReport(f"there is no test report {path.name}") from None
    except OSError as error:
        raise UnreadableReport(f"the test report {path.name} cannot be read: {error.strerror}") from None
    except expat.ExpatError:
        raise UnreadableReport(f"the test report {path.name} is no XML, or it was cut off") from None
    return reader.result(path.name)


@dataclass(slots=True)
class _Reader:
    """Counts tests as their elements begin and end."""

    parser: expat.XMLParserType = field(init=False)
    depth: int = 0
    root: str = ""
    case: str = ""
    ran: int = 0
    skipped: bool = False
    broken: bool = False
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.no_doctype

    def no_doctype(self, *_: object) -> None:
        """No report needs one, and entities are declared there."""
        raise UnreadableReport("the test report declares a document type, which JUnit XML does not have")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.root = self.root or name
        if self.depth > MAX_DEPTH:
            raise UnreadableReport(f"the test report is nested more than {MAX_DEPTH} deep")
        if name == "testcase":
            owner, test = attributes.get("classname", ""), attributes.get("name", "")
            self.case, self.skipped, self.broken = (
                "::".join(filter(None, [owner, test])) or "without a name",
                False,
                False,
            )
        elif self.case and name in _FAILURES:
            self.broken = True
        elif self.case and name == "skipped":
            self.skipped = True

    def end(self, name: str) -> None:
        self.depth -= 1
        if name != "testcase":
            return
        self.ran += not self.skipped
        # pytest reports a test that fails and then fails to clean up twice, under one name.
        if self.broken and len(self.failed) < MAX_FAILED and self.case not in self.failed[-1:]:
            self.failed.append(self.case)
        self.case = ""

    def result(self, name: str) -> SuiteResult:
        if self.root not in ("testsuites", "testsuite"):
            raise UnreadableReport(f"{name} is no JUnit XML: it has no testsuite")
        return SuiteResult(ran=self.ran, failed=tuple(self.failed))
