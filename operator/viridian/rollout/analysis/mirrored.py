"""What the champion's servers have compared of their own answers and the challenger's, in a step with copies.

All counts are of the comparison that the record names, so nothing of an earlier trial is in them, and a restart of the
operator loses none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api.canary_metric import Metric
from viridian.api.cel_metrics import DISAGREEMENT, PREDICTION_SHIFT
from viridian.api.profile import Categories, Numbers, Sketch
from viridian.api.samples import PodSample, ScrapeFailure, ShadowSample
from viridian.api.shadow import LAST_BIN, MISSING_BIN, OTHER_BIN
from viridian.judgement import distances
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.disagreement import Disagreement
from viridian.judgement.estimates import Shift
from viridian.rollout.analysis.source import Evidence, Look, MetricSource, Missing, Query, Silent

_STALE_AFTER: Final = timedelta(seconds=5)
_LOOKS_UNTIL_STALE: Final = 3
_SIDES: Final = ("champion", "challenger")


class MirroredAnswers:
    """Disagreement, and the shift of the predictions to the same requests."""

    def queries(self, look: Look) -> Sequence[Query]:
        return look.subject.champion.pods if look.subject.champion is not None else ()

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        found = _newest(look)
        if not found and (failure := _failure(look)):
            return Missing(failure)
        known = [one for one in found if one.comparison == look.subject.comparison]
        if not known:
            return Silent("no server of the champion compares answers yet")
        if metric.name == DISAGREEMENT:
            return Disagreement(sum(one.answers for one in known), sum(one.disagreement for one in known))
        return _shift(known)

    def beside_champion(self, *_: object) -> BesideChampion | None:
        return None  # the champion's answers are a part of the evidence

    def breach_began(self, *_: object) -> datetime | None:
        return None  # counts since the step began do not show when it turned bad


MIRROR: Final[MetricSource] = MirroredAnswers()


def is_mirrored(metric: Metric, look: Look) -> bool:
    """Whether the servers that compare answers are asked about the metric now."""
    return metric.name == DISAGREEMENT or (metric.name == PREDICTION_SHIFT and bool(look.subject.comparison))


def is_known_now(metric: Metric, look: Look) -> bool:
    """Whether the metric can be known in the present step."""
    return bool(look.subject.comparison) or metric.name not in look.subject.compared_in_shadow


def not_copying(look: Look) -> str | None:
    """Why no copies are made of requests at the moment; None where a server of the champion makes them."""
    found = _newest(look)
    if any(one.comparison == look.subject.comparison and one.share > 0 for one in found):
        return None
    if not found and (failure := _failure(look)):
        return failure
    return "no server has taken the order yet; those of an older release, and runtimes of your own, take none"


def _newest(look: Look) -> list[ShadowSample]:
    """Of each pod of the champion that could be read lately and was ordered to copy requests."""
    champion = look.subject.champion
    since = look.now - max(_STALE_AFTER, _LOOKS_UNTIL_STALE * look.interval)
    newest = []
    for pod in champion.pods if champion is not None else ():
        read = [one for one in look.results.get(pod.uid, ()) if isinstance(one, PodSample) and one.at <= look.now]
        if read and read[-1].at >= since and read[-1].shadow is not None:
            newest.append(read[-1].shadow)
    return newest


def _failure(look: Look) -> str:
    """Why a pod of the champion cannot be read; empty where the newest attempts have succeeded."""
    champion = look.subject.champion
    for pod in champion.pods if champion is not None else ():
        results = look.results.get(pod.uid, ())
        if results and isinstance(results[-1], ScrapeFailure):
            return results[-1].message
    return ""


def _shift(known: Sequence[ShadowSample]) -> Evidence:
    counted = [Counter[str]() for _ in _SIDES]
    for sample in known:
        for counts, side in zip(counted, _SIDES, strict=True):
            counts.update(sample.predictions.get(side, {}))
    if not all(counted):
        return Silent("the champion's version has no reference profile, so predictions have no bins")
    try:
        champion, challenger = map(_sketch, counted)
    except ValueError:
        return Missing("the bins of the predictions cannot be read")
    samples = min(distances.present(champion), distances.present(challenger))
    return Shift(samples, distances.of_predictions(champion, challenger) if samples > 0 else None)


def _sketch(counts: Mapping[str, float]) -> Sketch:
    """ValueError where the bins are neither classes nor numbers."""
    if OTHER_BIN in counts:
        names = tuple(sorted(counts.keys() - {OTHER_BIN}))
        return Categories(names=names, counts=tuple(int(counts[one]) for one in names), other=int(counts[OTHER_BIN]))
    edges = sorted((float(one), one) for one in counts if one not in (LAST_BIN, MISSING_BIN))
    places = [*(name for _, name in edges), LAST_BIN]
    return Numbers(
        edges=tuple(edge for edge, _ in edges),
        counts=tuple(int(counts.get(place, 0)) for place in places),
        missing=int(counts.get(MISSING_BIN, 0)),
    )
