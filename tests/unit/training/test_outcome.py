"""How a stage ends."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.stage import MAX_REPORT_BYTES, StageReport, parse_report
from viridian.training import stage_exit
from viridian.training.stage_exit import CandidateFailed, DataNotGoodEnough, NothingToDo, StageEnded


def test_the_codes_are_those_of_the_contract() -> None:
    codes = (DataNotGoodEnough.exit_code, CandidateFailed.exit_code, NothingToDo.exit_code)
    assert codes == (64, 65, 66)


def test_a_script_ends_with_the_code_and_tells_why_without_loading_what_it_does_not_need(tmp_path: Path) -> None:
    script = (
        "import sys; from viridian import training;"
        "assert not {'sklearn', 'mlflow', 'onnx', 'numpy'} & set(sys.modules);"
        "raise training.DataNotGoodEnough('only 12 rows')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "VIRIDIAN_TERMINATION_LOG": str(tmp_path / "log"),
            "PYTHONPATH": str(Path(stage_exit.__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 64
    assert ended.stderr == "DataNotGoodEnough: only 12 rows\n"
    assert json.loads((tmp_path / "log").read_text()) == {"metrics": {}, "failures": ["only 12 rows"]}


@pytest.mark.parametrize("kind", [DataNotGoodEnough, CandidateFailed, NothingToDo])
def test_without_a_termination_log_it_ends_all_the_same(
    kind: type[StageEnded], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VIRIDIAN_TERMINATION_LOG", raising=False)
    monkeypatch.setattr(stage_exit, "TERMINATION_LOG", str(tmp_path / "none"))
    with pytest.raises(kind) as ended:
        raise kind("because")
    assert (ended.value.code, ended.value.reason) == (kind.exit_code, "because")
    assert not (tmp_path / "none").exists()


def test_a_metric_that_is_no_number_is_left_out() -> None:
    report = StageReport(metrics={"auc": 0.5, "bad": math.nan, "worse": math.inf})
    assert report.document()["metrics"] == {"auc": 0.5}


@pytest.mark.parametrize("usage", [{"cpuSeconds": -1}, {"cpuSeconds": 1e400}, {"peakMemoryBytes": "1Gi"}, [], 7])
def test_an_amount_that_is_none_is_left_out(usage: object) -> None:
    report = parse_report(json.dumps({"usage": usage, "failures": ["x"]}))
    assert (report.cpu_seconds, report.peak_memory_bytes, report.failures) == (None, None, ("x",))


@given(
    st.dictionaries(st.text(max_size=80), st.floats(), max_size=200),
    st.lists(st.text(max_size=2000), max_size=8),
    st.text(max_size=900),
)
def test_a_report_is_json_that_kubernetes_keeps_whole(
    metrics: dict[str, float], failures: list[str], problem: str
) -> None:
    report = StageReport(
        metrics=metrics,
        holdout=f"sha256:{'0' * 64}",
        model_uri=f"models:/m-{'0' * 32}",
        model_digest=f"sha256:{'0' * 64}",
        champion_problem=problem,
        cpu_seconds=123456.789012,
        peak_memory_bytes=2**40,
        failures=tuple(failures),
    )
    text = report.rendered()
    assert len(text.encode()) <= MAX_REPORT_BYTES
    document = json.loads(text)
    assert document["model"] == {"uri": f"models:/m-{'0' * 32}", "digest": f"sha256:{'0' * 64}"}
    assert document["holdout"] == f"sha256:{'0' * 64}"
    assert bool(document["failures"]) == bool(failures)


def test_what_a_stage_reports_is_what_the_operator_reads() -> None:
    report = StageReport(
        metrics={"auc": 0.5, "champion.auc": 0.4},
        holdout="sha256:h",
        model_uri="models:/m-1",
        model_digest="sha256:d",
        data={"uri": "s3://data", "revision": "7", "digest": "sha256:r"},
        champion_problem="other columns",
        cpu_seconds=12.5,
        peak_memory_bytes=412_000_256,
        failures=("age is empty",),
    )
    assert parse_report(report.rendered()) == report
