"""The judgement of answers to the same requests: how many of the challenger's differ from the champion's.

An answer of many rows counts by the share of its rows that differ, since its rows may resemble each other. For a share
x the product of a bet's likelihood ratios, each raised to the power of its part of x, is at most their weighted mean
(of geometric and arithmetic mean). So the evidence stays an e-value, and may be looked at after any answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from viridian.judgement.canary import MOST_EVIDENCE, CanaryVerdict, Judgement, exponential
from viridian.judgement.evidence import log_against_share
from viridian.judgement.values import ValueBound


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Answers that were compared, and the shares of rows that differ, added up over them."""

    answers: float
    differing: float


def judge_disagreement(bound: ValueBound, known: Disagreement, *, evidence_needed: float) -> Judgement:
    """Judge the share of answers that differ against its maximum, on all answers since the step began."""
    samples, most = math.floor(known.answers), bound.max if bound.max is not None else 1.0
    if samples < bound.min_samples or known.answers <= 0:
        hint = "; where answers are numbers, they count only with a tolerance" if samples == 0 else ""
        message = f"{bound.name}: {samples} of the {bound.min_samples} compared answers that are needed{hint}"
        return Judgement(bound.name, CanaryVerdict.NO_DATA, message, samples=samples)
    share, log = known.differing / known.answers, log_against_share(known.differing, known.answers, most)
    evidence = min(exponential(log), MOST_EVIDENCE)
    breaks = log >= math.log(evidence_needed)
    relation = f"is above the maximum {100 * most:.3g} %" if share > most else f"keeps the maximum {100 * most:.3g} %"
    if share > most and not breaks:
        relation += f", but that may be chance (evidence {evidence:.3g} of {evidence_needed:g})"
    return Judgement(
        bound.name,
        CanaryVerdict.BREACH if breaks else CanaryVerdict.PASS,
        f"{bound.name} {100 * share:.3g} % over {samples} compared answers {relation}",
        value=share,
        samples=samples,
        evidence=evidence,
        beyond=share > most and not breaks,
    )
