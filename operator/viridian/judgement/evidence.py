"""How strongly samples speak against the claim that a share keeps its bound.

An e-value is a bet against a hypothesis that cannot be expected to win while the hypothesis holds: by Markov's
inequality a value of 100 or more comes up with a chance of at most 1 % (Ville's inequality extends that to every look
at a growing sample). Ours bets on several alternatives at once and takes the mean of the likelihood ratios, which is
an e-value again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

# The alternatives: shares of bad answers this many times the bound. Small ratios find a slow leak, large ones a
# broken model.
_RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
_HIGHEST_SHARE = 0.95


def against_share(bad: float, total: float, bound: float) -> float:
    """E-value against "the share of bad answers is at most `bound`", for `bad` of `total` answers.

    `bad` may be fractional where it was interpolated from a histogram. A bound of 0 is broken by the first bad
    answer; a bound of 1 cannot be broken.
    """
    log = log_against_share(bad, total, bound)
    return math.exp(log) if log < 700 else math.inf


def log_against_share(bad: float, total: float, bound: float) -> float:
    """The natural logarithm of that e-value, for comparing what is too large to be written out."""
    if total <= 0 or bound >= 1:
        return 0.0
    if bound <= 0:
        return math.inf if bad > 0 else 0.0
    return _log_mean([bad * lost + (total - bad) * kept for lost, kept in log_bets(bound)])


def log_keeps_beside(bad: float, total: float, beside: tuple[float, float], bound: float) -> float:
    """The logarithm of how much likelier the answers of two are if the other one just keeps the bound that this one
    breaks than if both break it alike.

    `bad` of `total` are this one's answers, `beside` has the same of the other. Both hypotheses weigh the alternatives
    evenly. Without answers of the other it is 0.
    """
    others_bad, others = beside
    if others <= 0 or bound >= 1:
        return 0.0
    if bound <= 0:
        return -math.inf if others_bad > 0 else math.inf
    own = [bad * lost + (total - bad) * kept for lost, kept in log_bets(bound)]
    both = [
        log + others_bad * lost + (others - others_bad) * kept
        for log, (lost, kept) in zip(own, log_bets(bound), strict=True)
    ]
    return _log_mean(own) - _log_mean(both)


def _log_mean(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs) / len(logs))


@lru_cache(maxsize=256)  # bounds of users: each look asks for the same few again and again
def log_bets(bound: float) -> tuple[tuple[float, float], ...]:
    """What each alternative wins, in logarithms, by a bad answer and by a good one."""
    shares = [ratio * bound for ratio in _RATIOS if ratio * bound < _HIGHEST_SHARE] or [(1 + bound) / 2]
    return tuple((math.log(share / bound), math.log((1 - share) / (1 - bound))) for share in shares)
