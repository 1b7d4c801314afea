"""What servers, people and systems send to the collector, and what the operator reads from it.

Everything is JSON. Senders authenticate with a Kubernetes service-account token in `Authorization: Bearer`.
An answer of 2xx means: it is on disk. 404, 429, 503 and 507 with `Retry-After` mean: later, nothing was stored of this
request. Sending again is always harmless.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from viridian.api.performance import Performance
from viridian.api.profile import Profile, Task

COLLECTOR_PORT: Final = 8090
TOKEN_AUDIENCE: Final = "viridian-collector"  # noqa: S105 - an audience is no secret
PREDICTIONS_PATH: Final = "/v1/predictions"
"""POST PredictionBatch, from servers."""
PROFILES_PATH: Final = "/v1/profiles"
"""POST ProfileWindow, from servers."""
OUTCOMES_PATH: Final = "/v1/outcomes"
"""POST one Outcome, a list of them, JSON lines, CSV, Parquet, or a form."""
WINDOWS_PATH: Final = "/v1/windows"
"""GET `/{namespace}/{deployment}?start=…&end=…&seconds=…[&revision=…][&profile=false][&label=…]`: list of Window, the
oldest first. With `profile=false`, predictions and outcomes alone are looked at, and every `Window.profile` is None.
With `label`, outcomes under another definition of the label count as not known."""
SNAPSHOTS_PATH: Final = "/v1/snapshots"
"""PUT `/{namespace}/{deployment}/{run id}`: freeze (or find again) the rows for a run: Snapshot. GET its `.parquet`."""
REVIEWS_PATH: Final = "/v1/reviews"
"""GET `/next` or, as a file, `.jsonl`: rows for people to label. POST answers: outcomes with source `human`."""
SUBJECTS_PATH: Final = "/v1/subjects"
"""DELETE `/{subject}?namespace=…`: forget what is known about somebody, named as in `Prediction.subject`."""
RULES_PATH: Final = "/v1/rules"
"""PUT `/{namespace}/{deployment}`: Keeping, what the collector itself may store and how long; from then on it takes
rows. DELETE: the deployment is gone."""

SPLITS_PATH: Final = "/v1/splits"
"""PUT `/{namespace}/{deployment}`: a list of TrafficSplit, by which rows have their propensities. May be repeated."""
MAX_SPLITS: Final = 1_000
"""In one request."""

# What the operator puts into the environment of a server's pod, where spec.feedback or spec.monitoring ask for it.
COLLECTOR_URL_VARIABLE: Final = "VIRIDIAN_COLLECTOR_URL"
COLLECTOR_CA: Final = "viridian-collector-ca"
"""Name of the ConfigMap with the authority of the collector's certificate, in each namespace that calls it by TLS."""
CA_FILE: Final = "ca.crt"
"""The authority in that ConfigMap, and in a pod beside its token."""
ROWS_DIGEST_VARIABLE: Final = "VIRIDIAN_FEEDBACK_DIGEST"
"""In the environment of a stage: what the rows that were frozen for its run hash to."""
COLLECTOR_TOKEN_FILE_VARIABLE: Final = "VIRIDIAN_COLLECTOR_TOKEN_FILE"  # noqa: S105 - a path
"""Path of the token, which Kubernetes renews: read it again now and then."""
PROFILE_SECONDS_VARIABLE: Final = "VIRIDIAN_PROFILE_SECONDS"
"""How often a ProfileWindow is sent."""
RULES_VARIABLE: Final = "VIRIDIAN_FEEDBACK"
"""`viridian.api.privacy.Rules` as JSON; without it no predictions are sent."""
KEY_FILE_VARIABLE: Final = "VIRIDIAN_FEEDBACK_KEY_FILE"
"""Path of the key of the hashes, where the rules need one; the file is called as the entry of the Secret."""
KEY_SECRET_VARIABLE: Final = "VIRIDIAN_FEEDBACK_KEY_SECRET"  # noqa: S105 - a name
"""The Secret that it comes from, for saying which one is missing."""

Value = float | int | str | bool | None
_NUMBER_BYTES: Final = 8

SCORE_ROUNDING: Final = 2.0**-13
"""So far outside of 0 to 1 a probability may be for rounding: that of 32-bit sums over the trees of a large forest."""


class Unstored(StrEnum):
    """Why a row is not stored: a few words for metrics and logs. The sentence beside it is for people."""

    ID = "Id"
    FEATURES = "Features"
    """More of them than a row may have."""
    PREDICTION = "Prediction"
    """The model answered no finite number, or none of its classes."""
    SCORE = "Score"
    """The score is no probability, and not for rounding."""
    VARIANT = "Variant"
    TIME = "Time"
    BATCH = "Batch"
    """The whole batch was rejected; the log has the reason."""
    TOO_LARGE = "TooLarge"
    """The row alone is larger than the body of a request may be."""
    OTHER = "Other"


class Source(StrEnum):
    """Who says what the outcome was, in rising precedence."""

    EVENT = "event"
    USER = "user"
    HUMAN = "human"


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered."""

    namespace: str
    deployment: str
    model: str
    version: str
    revision: str
    slot: str
    task: Task
    classes: tuple[str, ...] = ()


class Prediction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answered row."""

    id: str
    """The prediction id of the answer (UUIDv7); row n > 0 of a request has `-n` after it."""
    time: float
    """Seconds since 1970, UTC; refused before 2000 and more than a day from now."""
    features: dict[str, Value]
    """After the privacy rules: what is denied is not there."""
    prediction: float | str
    """The label (as text) or the number that was answered."""
    score: float | None = None
    """Binary: the probability of the positive class."""
    variant: str = ""
    propensity: float = 1.0
    """The chance with which this variant answered, of senders that split by themselves. Rows with 1 get the share of
    their revision from the splits of the deployment when they are frozen."""
    subject: str = ""
    """Keyed hash of whom the row is about, where a subject column is named; what erasing goes by."""


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answered rows as model servers send them: the fields of `Prediction`, one list for each, all of one length.

    Features that are numbers go as they lie in memory, which neither side has to spell out.
    """

    ids: list[str]
    times: list[float]
    columns: list[str]
    """The features in their order: those of `others`, and between them the numbers."""
    numbers: bytes = b""
    """Row by row in the order of the columns: IEEE 754 with 64 bits, little-endian. What is not finite is null."""
    whole: list[str] = []
    """Numbers that are integers."""
    others: dict[str, list[Value]] = {}
    predictions: list[float | str]
    scores: list[float | None] = []
    """Empty where no row has one, as `subjects`."""
    subjects: list[str] = []

    @property
    def numeric(self) -> list[str]:
        """The columns whose values are in `numbers`."""
        return [name for name in self.columns if name not in self.others]

    @property
    def complete(self) -> bool:
        """Whether all lists are of the same rows."""
        rows = len(self.ids)
        lengths = {len(self.times), len(self.predictions), *map(len, self.others.values())}
        optional = {len(self.scores), len(self.subjects)} - {0}
        named = len(set(self.columns)) == len(self.columns) and set(self.columns) >= {*self.others, *self.whole}
        return lengths | optional == {rows} and named and len(self.numbers) == rows * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return len(self.numeric) * _NUMBER_BYTES

    def part(self, start: int, end: int) -> Block:
        """Some of the rows."""
        return msgspec.structs.replace(
            self,
            ids=self.ids[start:end],
            times=self.times[start:end],
            numbers=self.numbers[start * self._row_bytes : end * self._row_bytes],
            others={name: values[start:end] for name, values in self.others.items()},
            predictions=self.predictions[start:end],
            scores=self.scores[start:end],
            subjects=self.subjects[start:end],
        )

    def rows(self) -> Iterator[Prediction]:
        """One by one."""
        none = [None] * len(self.ids)
        scores, subjects = self.scores or none, self.subjects or [""] * len(self.ids)
        columns = (self.ids, self.times, self._features(), self.predictions, scores, subjects)
        for identifier, time, features, prediction, score, subject in zip(*columns, strict=True):
            yield Prediction(
                id=identifier, time=time, features=features, prediction=prediction, score=score, subject=subject
            )

    def _features(self) -> Iterator[dict[str, Value]]:
        if not self.others:
            return (dict(zip(self.columns, values, strict=True)) for values in self._numbers())
        places = {name: place for place, name in enumerate([*self.numeric, *self.others])}
        order = [(name, places[name]) for name in self.columns]
        rows = zip(self._numbers(), zip(*self.others.values(), strict=True), strict=True)
        return ({name: values[place] for name, place in order} for values in (first + rest for first, rest in rows))

    def _numbers(self) -> Iterator[tuple[Value, ...]]:
        numeric, whole = self.numeric, {*self.whole}
        if not numeric:
            return iter([()] * len(self.ids))
        found = struct.iter_unpack(f"<{len(numeric)}d", self.numbers)
        if whole:
            kinds = [name in whole for name in numeric]
            return (tuple(map(_spelt, values, kinds)) for values in found)
        # A finite sum has finite terms.
        return (values if math.isfinite(sum(values)) else tuple(map(_spelt, values)) for values in found)


def _spelt(number: float, whole: bool = False) -> Value:
    if not math.isfinite(number):
        return None
    return int(number) if whole else number


class PredictionBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one server, at least once: rows with an id that is stored already are not stored again."""

    served: Served
    rows: list[Prediction] = []
    blocks: list[Block] = []
    """More rows, in the form that is quicker to write and to read. They are numbered behind `rows`."""
    dropped: int = 0
    """Rows since the batch before that were lost under pressure: loss is counted, never silent."""


class ProfileWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What one server counted since its window before. (pod, sequence) is its identity."""

    served: Served
    pod: str
    """Unique for each start of a server's process."""
    sequence: int
    start: float
    end: float
    profile: Profile


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What turned out to be true. Of several for one prediction the highest source counts, then the latest time."""

    prediction_id: str
    outcome: float | int | str | bool
    time: float | str | None = None
    """Seconds since 1970 or RFC 3339, not before 2000 nor more than a day from now; the time of arrival by default."""
    source: Source = Source.EVENT
    label_definition: str = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to what was sent."""

    stored: int
    duplicates: int = 0
    waiting: int = 0
    """Outcomes whose prediction has not come in yet: they are kept and joined when it does."""
    refused: list[dict[str, Any]] = []
    """Rows that were not understood: `row` and `problem`; of predictions also `reason`, one of `Unstored`."""


class AskedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction for a person to judge, as REVIEWS_PATH gives it.

    What the model answered is left out: it would lead the person.
    """

    prediction_id: str
    features: dict[str, Value]
    classes: tuple[str, ...] = ()
    """What the answer may be; empty where it is a number."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one revision in one span of time, half open."""

    revision: str
    version: str
    start: float
    end: float
    profile: Profile | None
    """None where no server reported, or where it was not asked for."""
    performance: Performance
    """Of predictions that were made in the window, with the outcomes that are known by now."""


class TrafficSplit(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of the requests the challenger had from a time on, until the next split of the deployment."""

    time: float
    """Seconds since 1970."""
    champion: str
    """The revision that has the rest."""
    challenger: str = ""
    """The revision with the share; empty where the champion has everything."""
    share: float = 0.0
    """From 0 to 1."""


class FrozenRows(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen training rows."""

    uri: str
    digest: str
    """`sha256:…` over the bytes of the Parquet file."""
    rows: int
    labelled: int


class RetentionRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be kept of a deployment's rows. It adds to what is configured at the collector, never takes from it."""

    deny: tuple[str, ...] = ()
    """Columns that are not stored."""
    hash: tuple[str, ...] = ()
    """Columns of which only a keyed hash is stored. What is one already stays as it is."""
    allow: tuple[str, ...] | None = None
    """Where given: the only columns that are stored, so that a new source of data is denied until it is listed."""
    retention_seconds: float | None = None
    """How long rows are kept; the shorter one counts, of this and of what is configured."""
