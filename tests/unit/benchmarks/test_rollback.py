"""What `benchmarks.rollback` makes of a record of answers, and whom it may ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from benchmarks.rollback import results
from benchmarks.rollback.application import Models, payload
from benchmarks.rollback.figures import deciding_answer, met
from benchmarks.rollback.prometheus import target_of
from benchmarks.rollback.results import Line
from benchmarks.rollback.tool import Decision
from benchmarks.rollback.traffic import LOST, Answer, Target, Traffic
from benchmarks.rollback.trial import Kind
from tests.support.kube import Object

OLD, NEW = "old", "new"


def answers(text: str, revision: str = NEW) -> list[Answer]:
    """An answer a second: `.` is a good one, `x` an error."""
    return [Answer(float(at), revision, good=sign == ".") for at, sign in enumerate(text)]


def test_the_deciding_answer_is_the_first_with_enough_evidence_on_enough_samples() -> None:
    assert deciding_answer(answers(".x........")) is None
    assert deciding_answer(answers(".x...x.x..")) == 7.0
    assert deciding_answer(answers("xxxx")) is None
    assert deciding_answer(answers("xxxx.")) == 4.0


def test_a_version_that_keeps_the_bound_has_no_deciding_answer() -> None:
    assert deciding_answer(answers(("x" + 99 * ".") * 20)) is None


def test_seconds_end_with_the_last_answer_of_the_version_on_trial() -> None:
    record = [*answers("xxxx..", NEW), Answer(9.0, OLD, good=True), Answer(10.0, OLD, good=False)]
    found = met(record, frozenset({NEW}), decided=4.5)
    assert (found.first_to_last, found.deciding_to_last, found.deciding_to_decision) == (5.0, 1.0, 0.5)
    assert (found.answers, found.errors, found.failed, found.lost) == (6, 4, 5, 0)


def test_a_version_that_nobody_met_has_no_seconds() -> None:
    found = met([Answer(1.0, OLD, good=True), Answer(2.0, LOST, good=False)], frozenset(), decided=None)
    assert (found.first_to_last, found.deciding_to_last, found.lost, found.failed) == (None, None, 1, 1)


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8"])
def test_no_load_leaves_this_computer(address: str) -> None:
    with pytest.raises(ValueError, match="no address of this computer"):
        Target(address, 80)


async def test_the_load_is_bounded() -> None:
    with pytest.raises(ValueError, match="between 1 and 1000"):
        await Traffic(Target("127.0.0.1", 1), rate=5000).run()


def test_a_model_fails_for_its_share_and_for_that_of_an_outage() -> None:
    session = onnxruntime.InferenceSession(payload(0.1).content, providers=["CPUExecutionProvider"])

    def fails(draw: float, outage: float) -> bool:
        try:
            session.run(None, {"input": np.array([[draw, outage]], dtype=np.float32)})
        except Exception:  # the runtime has types of its own for each way of failing
            return True
        return False

    assert [fails(0.05, 0.0), fails(0.2, 0.0), fails(0.2, 0.3), fails(0.4, 0.3)] == [True, False, True, False]


def test_versions_with_different_shares_have_different_digests() -> None:
    models = Models("127.0.0.1:1")
    assert models.failing(0.1) == models.failing(0.1)
    assert models.failing(0.1).digest != models.failing(0.3).digest


def test_only_pods_that_run_are_read() -> None:
    pod: Object = {
        "metadata": {"labels": {"app": "application", "rollouts-pod-template-hash": "5f"}},
        "status": {"phase": "Running", "podIP": "10.244.0.7"},
    }
    labels = {"workload": "application", "pod_template_hash": "5f"}
    assert target_of(pod) == {"targets": ["10.244.0.7:8081"], "labels": labels}
    assert target_of({**pod, "status": {"phase": "Pending"}}) is None


def line(tool: str, kind: Kind, decision: Decision, seconds: float | None = None) -> Line:
    record = met(answers("xxxxx"), frozenset({NEW}), decided=4.0 + seconds if seconds is not None else None)
    return Line(
        at="2026-11-29T00:00:00+00:00", tool=tool, kind=kind, rate=20, errors=0.3, decision=decision, met=record,
        processor_seconds={"operator": 0.5}, megabytes={"operator": 90.0}, load=1.0,
    )  # fmt: skip


def test_later_runs_add_to_the_file_and_the_tables_are_made_of_all(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "results.jsonl"
    for tool, seconds in (("second", 4.0), ("first", 1.0), ("first", 3.0)):
        results.add(file, line(tool, Kind.BAD, Decision.REJECTED, seconds))
    for decision in (Decision.PROMOTED, Decision.NONE):
        results.add(file, line("first", Kind.HEALTHY, decision))
    printed = results.report(results.read(file), ["first", "second"])
    assert "found: 2 of 2" in printed
    assert "1.00 / 2.00 / 3.00 s (n = 2)  x 1.0" in printed
    assert "4.00 / 4.00 / 4.00 s (n = 1)  x 2.0" in printed
    assert "thrown away: 0 of 2, 1 undecided" in printed
    assert "operator     0.50 / 0.50 / 0.50 s (n = 2)" in printed, "good versions share the programs of their tool"
