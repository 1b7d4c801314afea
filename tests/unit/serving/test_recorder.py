"""What is counted and told of answered rows: nothing is lost unseen, whatever fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from viridian.api.profile import Numbers, Profile, ReferenceProfile, Task
from viridian.serving.bundle.signature import Matrix
from viridian.serving.data.batch import Batch
from viridian.serving.data.outputs import PREDICTION, Output
from viridian.serving.observation import recorder as recording
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows
from viridian.serving.observation.recorder import Recorder

NUMBERS = Numbers(edges=(0.0,), counts=(0, 0))
REFERENCE = ReferenceProfile(
    task=Task.REGRESSION,
    profile=Profile(features={"x": NUMBERS}, prediction=NUMBERS, rows=0, sampled=0),
    label=NUMBERS,
)


def rows(count: int) -> tuple[Batch, list[Output]]:
    return Batch(count, matrix=np.zeros((count, 1))), [Output(PREDICTION, np.zeros(count))]


def live() -> LiveProfile:
    return LiveProfile(REFERENCE, Matrix(1))


def lost(recorder: Recorder) -> float:
    """As Prometheus reads it."""
    (family,) = [found for found in recorder.families((), ()) if found.name == "viridian_unrecorded_rows"]
    return float(family.samples[0].value)


class Fault(Exception):
    """A mistake of ours."""


async def test_rows_that_cannot_be_sent_are_counted_as_lost_and_the_next_ones_are_sent() -> None:
    faults, sent = [Fault("someone@example.org")], list[PredictedRows]()

    def sink(portion: Sequence[PredictedRows]) -> None:
        if faults:
            raise faults.pop()
        sent.extend(portion)

    recorder = Recorder(live(), sink)
    recorder.add(*rows(3))
    profile = await recorder.profile()
    assert profile is not None
    assert profile.rows == 3, "they are counted all the same"
    assert lost(recorder) == 3
    recorder.add(*rows(2))
    await recorder.settled()
    assert (lost(recorder), len(sent)) == (3, 1)
    recorder.close()


async def test_rows_that_cannot_be_counted_are_lost_and_sent_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: LiveProfile, __: Sequence[PredictedRows]) -> None:
        raise Fault("someone@example.org")

    monkeypatch.setattr(LiveProfile, "add", fail)
    sent = list[PredictedRows]()
    recorder = Recorder(live(), sent.extend)
    recorder.add(*rows(3))
    await recorder.settled()
    assert (lost(recorder), len(sent)) == (3, 1)
    assert [vars(record)["fields"] for record in caplog.records] == [{"exception": "Fault"}], "its text may quote rows"
    recorder.close()


async def test_rows_that_find_no_room_are_lost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_ROWS", -1)
    recorder = Recorder(live())
    recorder.add(*rows(3))
    await recorder.settled()
    assert lost(recorder) == 3
    recorder.close()


async def test_of_very_many_requests_a_sample_is_counted_and_all_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "COUNTED_PER_SECOND", 1.0)
    sent = list[PredictedRows]()
    recorder = Recorder(live(), sent.extend)
    for _ in range(8):
        recorder.add(*rows(3))
    profile = await recorder.profile()
    assert profile is not None
    assert (profile.rows, profile.sampled, len(sent), lost(recorder)) == (3, 3, 8, 0)
    recorder.close()


async def test_one_row_that_cannot_be_sent_takes_no_other_with_it_and_is_told() -> None:
    sent, unsent = list[PredictedRows](), list[int]()

    def sink(portion: Sequence[PredictedRows]) -> None:
        if any(answered.prediction == "bad" for answered in portion):
            raise Fault
        sent.extend(portion)

    recorder = Recorder(live(), sink, unsent.append)
    for name in ("a", "bad", "b"):
        recorder.add(*rows(2), name)
    await recorder.settled()
    assert [answered.prediction for answered in sent] == ["a", "b"]
    assert (lost(recorder), unsent) == (2, [2])
    recorder.close()


async def test_what_finds_no_room_is_told_where_it_was_to_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_ROWS", -1)
    unsent = list[int]()
    recorder = Recorder(None, lambda _: None, unsent.append)
    recorder.add(*rows(3))
    await recorder.settled()
    assert (lost(recorder), unsent) == (3, [3])
    recorder.close()


async def test_a_clock_that_is_put_back_makes_no_window_that_ends_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder(live())
    recorder.add(*rows(1))
    await recorder.settled()
    monkeypatch.setattr("viridian.serving.observation.recorder.time.time", lambda: 1_700_000_000.0)
    span = recorder.window().result()
    assert span is not None
    assert span.start < span.end == 1_700_000_000.0
    recorder.close()
