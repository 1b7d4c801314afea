"""Adding up what several servers, or several spans of time, have counted on the same bins."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add

from viridian.api.performance import Classified, Performance, Regressed
from viridian.api.profile import Categories, Numbers, Profile, Sketch


class ShapesDiffer(Exception):
    """The two do not have the same bins, categories or classes, so their counts say nothing about each other."""


def merge_profiles(profiles: Iterable[Profile]) -> Profile | None:
    """The profile of all rows together; None of nothing. NotAlike where features or bins differ."""
    listed = list(profiles)
    return reduce(_profiles, listed) if listed else None


def merge_performances(performances: Iterable[Performance]) -> Performance:
    """The joined rows of all of them together."""
    return reduce(_performances, performances, Performance(predicted=0, labelled=0))


def merge_sketches(one: Sketch, other: Sketch) -> Sketch:
    """The sketch of the values of both. Moments: Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance
    (1983), formula 2.1."""
    if isinstance(one, Numbers) and isinstance(other, Numbers) and one.edges == other.edges:
        return _numbers(one, other)
    if isinstance(one, Categories) and isinstance(other, Categories) and one.names == other.names:
        return Categories(
            names=one.names,
            counts=_sums(one.counts, other.counts),
            other=one.other + other.other,
            missing=one.missing + other.missing,
        )
    raise ShapesDiffer("the sketches have different bins")


def _profiles(one: Profile, other: Profile) -> Profile:
    if one.features.keys() != other.features.keys():
        raise ShapesDiffer("the profiles have different features")
    return Profile(
        features={name: merge_sketches(sketch, other.features[name]) for name, sketch in one.features.items()},
        prediction=merge_sketches(one.prediction, other.prediction),
        rows=one.rows + other.rows,
        sampled=one.sampled + other.sampled,
    )


def _numbers(one: Numbers, other: Numbers) -> Numbers:
    finite = one.finite + other.finite
    apart = other.mean - one.mean
    share = other.finite / finite if finite else 0.0
    lows = [low for low in (one.minimum, other.minimum) if low is not None]
    highs = [high for high in (one.maximum, other.maximum) if high is not None]
    return Numbers(
        edges=one.edges,
        counts=_sums(one.counts, other.counts),
        missing=one.missing + other.missing,
        mean=one.mean + apart * share,
        m2=one.m2 + other.m2 + apart * apart * one.finite * share,
        finite=finite,
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
    )


def _performances(one: Performance, other: Performance) -> Performance:
    return Performance(
        predicted=one.predicted + other.predicted,
        labelled=one.labelled + other.labelled,
        joined=_joined(one.joined, other.joined),
    )


def _joined(one: Classified | Regressed | None, other: Classified | Regressed | None) -> Classified | Regressed | None:
    if one is None or other is None:
        return one if other is None else other
    if isinstance(one, Regressed) and isinstance(other, Regressed):
        return Regressed(
            rows=one.rows + other.rows,
            error=one.error + other.error,
            absolute_error=one.absolute_error + other.absolute_error,
            squared_error=one.squared_error + other.squared_error,
            fourth_power_error=one.fourth_power_error + other.fourth_power_error,
            outcome=one.outcome + other.outcome,
            squared_outcome=one.squared_outcome + other.squared_outcome,
        )
    if isinstance(one, Classified) and isinstance(other, Classified) and one.classes == other.classes:
        return Classified(
            classes=one.classes,
            confusion=tuple(map(_sums, one.confusion, other.confusion)),
            score_positives=_sums(one.score_positives, other.score_positives),
            score_negatives=_sums(one.score_negatives, other.score_negatives),
            log_loss=one.log_loss + other.log_loss,
            squared_error=one.squared_error + other.squared_error,
        )
    raise ShapesDiffer("the models predict different things")


def _sums(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(add, one, other))
