"""The immutable state of data that a resolver has found: recorded with each run, and compared to find what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from viridian.api.run_stages import Data
from viridian.api.stage import StageReport, parse_report
from viridian.core.lookup import text
from viridian.retraining.stages.state import StageOutcome, StageResult

NEW_DATA: Final = "newData"
"""The source of causes that are states of the data."""
_TOO_LITTLE: Final = (
    'the resolver ended well, but its report names neither a revision nor a digest: write {"data": {"uri": …, '
    '"revision": …, "digest": …}} to /dev/termination-log'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataState:
    """Which state of the data, and what identifies its content."""

    uri: str = ""
    revision: str = ""
    digest: str = ""

    @property
    def content(self) -> str:
        """What is the same as long as the content is: two revisions with one digest hold the same data."""
        return self.digest or self.revision

    def document(self) -> dict[str, str]:
        """As records have it."""
        found = {"uri": self.uri, "revision": self.revision, "digest": self.digest}
        return {name: value for name, value in found.items() if value}


def parse_state(document: Any) -> DataState | None:
    """The state that was recorded; None where there is none."""
    found = DataState(uri=text(document, "uri"), revision=text(document, "revision"), digest=text(document, "digest"))
    return found if found.content else None


def resolved_by(result: StageResult) -> DataState | None:
    """The state that a resolver reports which has ended well."""
    if result.outcome is not StageOutcome.COMPLETE:
        return None
    report: StageReport = parse_report(result.termination_message)
    data: Mapping[str, str] = report.data
    return parse_state(dict(data))


def with_a_state(result: StageResult) -> StageResult:
    """The end of a resolver: it has failed where it names no state, since nothing else would be immutable."""
    if result.outcome is not StageOutcome.COMPLETE or resolved_by(result) is not None:
        return result
    why = "its pod was deleted before its report could be read" if result.lost else _TOO_LITTLE
    return msgspec.structs.replace(result, outcome=StageOutcome.FAILED, exit_code=None, message=why)


def data_key(data: Data) -> str:
    """What distinguishes this data from other data: its address and the name that is resolved."""
    return f"{data.uri} {data.revision}" if data.revision else data.uri
