"""A review that a person is asked for stands until a person has answered it, or another version serves.

Its name is the end of the window that asked for it, and it is about what had fired there. So an answer never counts for
what fires later, and what merely goes on firing does not ask again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from viridian.api.monitoring import Action
from viridian.api.monitoring_status import MAX_FIGURES, MAX_PART, ReviewStatus
from viridian.api.texts import introduced
from viridian.core.lenient import readable
from viridian.core.times import format_time
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.monitor_report import MonitoringReport, MonitorResult
from viridian.monitoring.sources import reason_of

MAX_MESSAGE: Final = 700
"""Characters of what is asked. A condition needs room for how to answer it as well."""


def stored_review(status: Mapping[str, Any] | None) -> ReviewStatus | None:
    """What stands in `status.monitoring`; None where nothing does, or nothing that makes sense."""
    return readable((status or {}).get("review"), ReviewStatus)


def next_review(stored: ReviewStatus | None, report: MonitoringReport | None, answer: str) -> ReviewStatus | None:
    """The review that stands now, answered or not. `answer` is what a person wrote: the name of a review."""
    known = _answered(stored, answer)
    return known if report is None else _answered(_after(known, report), answer)


def is_answer(answer: str, review: ReviewStatus) -> bool:
    """Whether it names this review; `#` and the name of the reviewer may follow."""
    return answer.partition("#")[0].strip() == review.asked


def _answered(review: ReviewStatus | None, answer: str) -> ReviewStatus | None:
    if review is None or not is_answer(answer, review):
        return review
    return msgspec.structs.replace(review, reviewed=True)


def _after(stored: ReviewStatus | None, report: MonitoringReport) -> ReviewStatus | None:
    known = _current(stored, report)
    about = known.about if known else ()
    firing = [
        result for result in report.results if result.action is Action.REVIEW and result.verdict is MonitorVerdict.FIRED
    ]
    parts = [part for result in firing for part in _parts(result)]
    if all(_covered(part, about) for part in parts):
        return known
    open_still = [part for part in about if part not in parts] if known and not known.reviewed else []
    return ReviewStatus(
        asked=format_time(datetime.fromtimestamp(report.calendar.end, UTC)),
        reason=reason_of(firing[0].source),
        message=_message(firing, open_still),
        about=_bounded({*about, *parts}),
    )


def _current(stored: ReviewStatus | None, report: MonitoringReport) -> ReviewStatus | None:
    """Without monitors that were removed; once it was answered, also without what no longer fires."""
    if stored is None:
        return None
    monitors = {result.name: result for result in report.results if result.action is Action.REVIEW}
    about = tuple(
        part
        for part in stored.about
        if (result := monitors.get(_monitor(part))) is not None and not (stored.reviewed and _has_stopped(part, result))
    )
    return msgspec.structs.replace(stored, about=about) if about else None


def _parts(result: MonitorResult) -> Iterator[str]:
    """What of a monitor has fired: `monitor/feature`; `monitor` for what is not about a few features."""
    features = [figure.feature for figure in result.figures if figure.verdict is MonitorVerdict.FIRED]
    parts = [f"{result.name}/{feature}" for feature in features]
    few = 0 < len(parts) <= MAX_FIGURES and all(features) and max(map(len, parts)) <= MAX_PART
    yield from parts if few else [result.name]


def _bounded(parts: Collection[str]) -> tuple[str, ...]:
    """In place of many features of one monitor, the monitor."""
    features = Counter(map(_monitor, parts))
    whole = {name for name, count in features.items() if count > MAX_FIGURES or name in parts}
    return tuple(sorted({_monitor(part) if _monitor(part) in whole else part for part in parts}))


def _covered(part: str, about: Collection[str]) -> bool:
    return part in about or _monitor(part) in about


def _has_stopped(part: str, result: MonitorResult) -> bool:
    """Whether it is known not to fire any more. What cannot be judged may still go on."""
    feature = part.removeprefix(result.name).removeprefix("/")
    verdicts = {figure.verdict for figure in result.figures if figure.feature == feature}
    return result.verdict is MonitorVerdict.QUIET or (bool(feature) and verdicts == {MonitorVerdict.QUIET})


def _monitor(part: str) -> str:
    """Names of monitors have no slash; those of features may."""
    return part.partition("/")[0]


def _message(firing: Sequence[MonitorResult], open_still: Sequence[str]) -> str:
    sentences = "; ".join(introduced(result.name, result.sentence) for result in firing)
    more = f"; not reviewed yet either: {', '.join(open_still)}" if open_still else ""
    whole = sentences + more
    return whole if len(whole) <= MAX_MESSAGE else f"{whole[: MAX_MESSAGE - 1]}…"
