"""What users ask day by day, which revision answers each of them, and what their windows look like to the operator.

A day's rows come from the generator of a story. Who answers is not chosen here: it is one of the pods that the live
Service selects at that moment. Predictions are those of the fitted models. Rows are counted by the model server's own
`LiveProfile` on the version's own bins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.support.stories.fitted_model import FittedModel
from viridian.api.feedback import Window
from viridian.api.performance import (
    LEAST_SCORE,
    MIDDLE_SCORE_BIN,
    SCORE_BINS,
    SCORE_BINS_PER_LOG_ODD,
    Classified,
    Performance,
)
from viridian.api.profile import Profile
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import LABEL, PROBABILITIES, Output
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows
from viridian.training.scores import Predicted

DAY: Final = 86_400.0
OUTCOME: Final = "outcome"
TIME: Final = "time"
PATTERN: Final = "pattern"
"""What lies behind a row, where a generator tells; no model sees it."""
_NOBODY: Final = -1
_LEAST: Final = 2.0**-52


@dataclass
class DayOfRows:
    """The rows of one day, sorted by time."""

    frame: pd.DataFrame
    times: NDArray[np.float64]
    """Seconds since 1970."""
    answered: NDArray[np.int64]
    """For each row the place of its revision among all; -1 where it is still to come, or met no pod."""
    predicted: dict[str, Predicted] = field(default_factory=dict)
    """By model: what it says to all rows of the day, whether or not it was asked."""

    @cached_property
    def features(self) -> pd.DataFrame:
        return features_of(self.frame)

    def says(self, model: FittedModel) -> Predicted:
        if model.name not in self.predicted:
            self.predicted[model.name] = model.predict(self.features)
        return self.predicted[model.name]


def features_of(frame: pd.DataFrame) -> pd.DataFrame:
    """What a model is told of the rows."""
    return frame.drop(columns=[TIME, OUTCOME, PATTERN], errors="ignore")


class LiveRows:
    """All rows since the first day. `generate` makes those of a day by its number; `begin` is its midnight."""

    def __init__(
        self, generate: Callable[[int], pd.DataFrame], begin: float, outcome_after: float, retention: float
    ) -> None:
        self._generate = generate
        self._begin = begin
        self._outcome_after = outcome_after
        """Seconds after which it is known what a user did."""
        self._retention = retention
        """Seconds after which a row is deleted."""
        self._settled: dict[tuple[str, float, float, bool], Window] = {}
        """Windows of which nothing more will become known."""
        self._days: dict[int, DayOfRows] = {}
        self._until = begin
        self._revisions: list[str] = []
        self._chance = np.random.default_rng(1)
        self.models: dict[str, FittedModel] = {}
        """By revision."""
        self.versions: dict[str, str] = {}

    def day(self, number: int) -> DayOfRows:
        if number not in self._days:
            frame = self._generate(number)
            times = self._begin + number * DAY + frame[TIME].to_numpy()
            self._days[number] = DayOfRows(frame, times, np.full(len(frame), _NOBODY))
        return self._days[number]

    def arrive(self, until: float, revisions: Sequence[str]) -> None:
        """Users come until then; each meets one of these pods, named by what they run."""
        while revisions and self._until < until:
            number = self._number(self._until)
            end = min(until, self._begin + (number + 1) * DAY)
            day = self.day(number)
            first, last = np.searchsorted(day.times, [self._until, end])
            places = np.array([self._place(revision) for revision in revisions])
            day.answered[first:last] = places[self._chance.integers(0, len(places), last - first)]
            self._until = end
        self._until = until

    def windows(
        self, start: float, end: float, seconds: float, revision: str | None, *, profiles: bool, now: float
    ) -> list[Window]:
        """As the collector would tell them at this moment."""
        edges = np.arange(start, end, seconds)
        wanted = [known for known in self._revisions if revision in (None, known)]
        spans = [(float(edge), min(float(edge) + seconds, end)) for edge in edges]
        found = (self._window(known, *span, profiles, now) for span in spans for known in wanted)
        return [window for window in found if window is not None]

    def answered_rows(self, until: float) -> pd.DataFrame:
        """The answered rows that are kept then, as the collector freezes them for a run."""
        since = until - self._retention
        numbers = range(max(0, self._number(since)), self._number(until) + 1)
        days = [self._days[number] for number in numbers if number in self._days]
        kept = [(day, (day.answered != _NOBODY) & (day.times >= since) & (day.times < until)) for day in days]
        return pd.concat([self._as_frozen(day, rows, until) for day, rows in kept])

    def answering(self) -> list[tuple[int, FittedModel]]:
        """All revisions by their place, each with its model."""
        return [(place, self.models[revision]) for place, revision in enumerate(self._revisions)]

    def counted(self, until: float) -> dict[str, Any]:
        """Digest and numbers of the answered rows until then, as `FrozenRows` names them."""
        frame = self.answered_rows(until)
        digest = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
        labelled = int(frame[OUTCOME].notna().sum())
        return {"digest": f"sha256:{digest}", "rows": len(frame), "labelled": labelled}

    def _as_frozen(self, day: DayOfRows, rows: NDArray[np.bool_], until: float) -> pd.DataFrame:
        features = day.features[rows].add_prefix("features.")
        known = day.times[rows] + self._outcome_after <= until
        outcome = np.where(known, day.frame[OUTCOME][rows].to_numpy(), None)
        return features.assign(time=pd.to_datetime(day.times[rows], unit="s", utc=True), outcome=outcome)

    def _window(self, revision: str, start: float, end: float, profiles: bool, now: float) -> Window | None:
        name = (revision, start, end, profiles)
        if name in self._settled:
            return self._settled[name]
        found = self._counted(revision, start, end, profiles, now)
        if found is not None and now >= end + self._outcome_after:
            self._settled[name] = found
        return found

    def _counted(self, revision: str, start: float, end: float, profiles: bool, now: float) -> Window | None:
        model, place = self.models[revision], self._place(revision)
        parts = []
        for number in range(self._number(start), self._number(end - 1) + 1):
            day = self._days.get(number)
            if day is not None:
                rows = (day.answered == place) & (day.times >= start) & (day.times < end)
                parts.append((day, rows))
        if not any(rows.any() for _, rows in parts):
            return None
        return Window(
            revision=revision,
            version=self.versions[revision],
            start=start,
            end=end,
            profile=_profile(model, parts) if profiles else None,
            performance=self._performance(model, parts, now),
        )

    def _performance(
        self, model: FittedModel, parts: Sequence[tuple[DayOfRows, NDArray[np.bool_]]], now: float
    ) -> Performance:
        asked = sum(int(rows.sum()) for _, rows in parts)
        known = [(day, rows & (day.times + self._outcome_after <= now)) for day, rows in parts]
        says = [day.says(model) for day, _ in known]
        actual = np.concatenate([day.frame[OUTCOME][rows].to_numpy() for day, rows in known])
        label = np.concatenate([one.values[rows] for one, (_, rows) in zip(says, known, strict=True)])
        score = np.concatenate([scores_of(one)[rows] for one, (_, rows) in zip(says, known, strict=True)])
        if not len(actual):
            return Performance(predicted=asked, labelled=0)
        return Performance(
            predicted=asked, labelled=len(actual), joined=classified(model.classes, actual, label, score)
        )

    def _number(self, time: float) -> int:
        return int((time - self._begin) // DAY)

    def _place(self, revision: str) -> int:
        if revision not in self._revisions:
            self._revisions.append(revision)
        return self._revisions.index(revision)


def classified(
    classes: Sequence[str], actual: NDArray[Any], label: NDArray[Any], score: NDArray[np.float64]
) -> Classified:
    """The sums of `viridian.api.performance` over these rows."""
    positive, says = actual == classes[1], label == classes[1]
    bins = _score_bins(score)
    own = np.maximum(np.where(positive, score, 1 - score), _LEAST)
    return Classified(
        classes=tuple(classes),
        confusion=tuple(
            tuple(int(((positive == a) & (says == p)).sum()) for p in (False, True)) for a in (False, True)
        ),
        score_positives=tuple(np.bincount(bins[positive], minlength=SCORE_BINS).tolist()),
        score_negatives=tuple(np.bincount(bins[~positive], minlength=SCORE_BINS).tolist()),
        log_loss=float(-np.log(own).sum()),
        squared_error=float(((score - positive) ** 2).sum()),
    )


def _score_bins(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """`viridian.api.performance.score_bin` of each."""
    inner = np.clip(score, LEAST_SCORE, 1 - LEAST_SCORE)
    bins = (SCORE_BINS_PER_LOG_ODD * np.log(inner / (1 - inner)) + MIDDLE_SCORE_BIN + 0.5).astype(np.int64)
    bins[score < LEAST_SCORE] = 0
    bins[score > 1 - LEAST_SCORE] = SCORE_BINS - 1
    return bins


def scores_of(predicted: Predicted) -> NDArray[np.float64]:
    """Probabilities of the positive class."""
    assert predicted.probabilities is not None
    return np.asarray(predicted.probabilities[:, 1], np.float64)


def _profile(model: FittedModel, parts: Sequence[tuple[DayOfRows, NDArray[np.bool_]]]) -> Profile:
    counted = LiveProfile(model.reference, model.signature)
    for day, rows in parts:
        says = day.says(model)
        outputs = [Output(LABEL, says.values[rows]), Output(PROBABILITIES, np.asarray(says.probabilities)[rows])]
        counted.add([PredictedRows(_batch(model, day.features[rows]), outputs)])
    return counted.take()


def _batch(model: FittedModel, features: pd.DataFrame) -> Batch:
    if model.signature.numeric:
        return Batch(len(features), matrix=features[list(model.columns)].to_numpy(np.float64))
    columns: Mapping[str, NDArray[Any]] = {name: features[name].to_numpy() for name in model.columns}
    return Batch(len(features), columns=columns)
