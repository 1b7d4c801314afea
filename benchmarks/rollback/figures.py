"""What the users of one trial met: from the record of their answers to seconds and failed requests."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.rollback.traffic import LOST, Answer
from viridian.api.canary_metric import Metric
from viridian.api.modeldeployment import Judge
from viridian.judgement.evidence import against_share

BOUND = 0.01
"""The share of errors that every tool is given as the most."""
EVIDENCE = Judge().rollback_evidence
"""What Viridian asks for by default: a version that keeps the bound reaches it with a chance of at most 1 %."""
MIN_SAMPLES = Metric(name="error-rate", max=BOUND).min_samples


class Met(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trial of a version, as its users met it. Seconds are None where the moment did not come."""

    answers: int
    """Of the version on trial."""
    errors: int
    """Among these."""
    failed: int
    """Requests of all users that failed, whichever version was asked, and those that got no answer."""
    lost: int
    """Among these, those that got no answer."""
    first_to_last: float | None = None
    """From the first error of the version to its last answer."""
    deciding_to_last: float | None = None
    """From the answer with which the evidence against the bound is enough to its last answer. It is the same measure
    for all tools. None where the tool acted on less evidence."""
    deciding_to_decision: float | None = None
    """From the same answer to the moment at which the tool's object shows the decision; below zero where it came
    first."""


def met(answers: Sequence[Answer], revisions: frozenset[str], decided: float | None) -> Met:
    """`revisions` are those of the version on trial; `decided` is when its tool showed a decision."""
    own = [answer for answer in answers if answer.revision in revisions]
    failed = [answer for answer in answers if not answer.good]
    first = next((answer.at for answer in own if not answer.good), None)
    deciding, last = deciding_answer(own), own[-1].at if own else None
    return Met(
        answers=len(own),
        errors=sum(not answer.good for answer in own),
        failed=len(failed),
        lost=sum(answer.revision == LOST for answer in failed),
        first_to_last=_between(first, last),
        deciding_to_last=_between(deciding, last),
        deciding_to_decision=_between(deciding, decided),
    )


def deciding_answer(own: Sequence[Answer]) -> float | None:
    """When the answer came with which the evidence against the bound was enough, on all answers up to it."""
    bad = 0
    for number, answer in enumerate(own, start=1):
        bad += not answer.good
        if number >= MIN_SAMPLES and against_share(bad, number, BOUND) >= EVIDENCE:
            return answer.at
    return None


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin
