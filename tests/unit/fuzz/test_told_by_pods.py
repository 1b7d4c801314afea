"""Whatever pods and stages say, it is understood, or it is one of the documented errors; and it fits a status."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import mutated
from tests.support.server_process import IDENTITY
from viridian.api.rejections import ModelRejection, format_termination_message, parse_termination_message
from viridian.api.samples import PodSample, PodTarget
from viridian.api.stage import MAX_REPORT_BYTES, StageReport, parse_report
from viridian.core.pods_waiting import impediment, last_words, unready
from viridian.ports.pods import MAX_COUNT, OtherPod, parse
from viridian.retraining.stages.job_state import job_state
from viridian.retraining.stages.state import StageOutcome, StageResult

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TARGET = PodTarget(uid="pod-1", ip="127.0.0.1", identity=IDENTITY)
OWNER = ",".join(
    f'{name}="{value}"'
    for name, value in (
        ("namespace", IDENTITY.namespace),
        ("deployment", IDENTITY.deployment),
        ("slot", IDENTITY.slot),
        ("revision", IDENTITY.revision),
        ("pod", IDENTITY.pod),
    )
)
METRICS = f"""\
# TYPE viridian_server info
viridian_server_info{{{OWNER}}} 1
# HELP viridian_requests Requests.
# TYPE viridian_requests counter
viridian_requests_total{{code="2xx"}} 12
viridian_requests_total{{code="5xx"}} 3 # {{trace="x"}} 1
# TYPE viridian_request_duration_seconds histogram
viridian_request_duration_seconds_bucket{{le="0.1"}} 10
viridian_request_duration_seconds_bucket{{le="+Inf"}} 15
viridian_request_duration_seconds_sum 1.5
viridian_request_duration_seconds_count 15
""".encode()
HOSTILE = [
    b'{le="',
    b"} 1e308",
    b"\n",
    b"viridian_requests_total",
    b"=",
    b",",
    b'\\"',
    b"NaN",
    b"-Inf",
    b"1_0",
    b"0x1p9",
]
REPORT = json.dumps(
    {
        "metrics": {"auc": 0.9, "n": 3},
        "model": {"uri": "models:/m-1", "digest": "sha256:0"},
        "data": {"uri": "s3://b/x", "revision": "1", "digest": "d"},
        "failures": ["one", {"two": 2}],
        "champion": {"problem": "gone"},
        "holdout": "h",
    }
).encode()
DISTINCT_OUTCOMES = [
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"[" * 40,
    b"null",
    b"9" * 5000,
    b"\\ud800",
    b"\\u001b[31m",
    b"https://u:p@h/?x",
]
ANY_TEXT = st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: raw.decode(errors="replace")))


@given(mutated(METRICS, pieces=HOSTILE).map(lambda raw: raw.decode(errors="replace")))
def test_metrics(text: str) -> None:
    try:
        sample = parse(text, TARGET, NOW)
    except (ValueError, OtherPod):
        return
    assert isinstance(sample, PodSample)
    assert 0 <= sample.total <= 5 * MAX_COUNT
    assert all(math.isfinite(bucket.count) and not math.isnan(bucket.bound) for bucket in sample.latency)


def test_the_metrics_that_are_mutated_are_valid() -> None:
    assert parse(METRICS.decode(), TARGET, NOW).total == 15


@given(mutated(REPORT, pieces=DISTINCT_OUTCOMES).map(lambda raw: raw.decode(errors="replace")) | ANY_TEXT)
def test_the_last_words_of_a_stage(message: str) -> None:
    report = parse_report(message)
    assert all(isinstance(value, float) for value in report.metrics.values())
    shown = [report.message, report.champion_problem, *report.failures, *report.data.values()]
    assert all(text.isprintable() and len(text) <= MAX_REPORT_BYTES for text in shown)
    assert len(report.rendered()) <= 4 * MAX_REPORT_BYTES
    assert isinstance(parse_report(report.rendered()), StageReport)


@pytest.mark.parametrize("digits", [1, 400, 5000])
def test_a_number_of_many_digits_is_no_mistake(digits: int) -> None:
    assert isinstance(parse_report('{"metrics": {"auc": %s}}' % ("9" * digits)), StageReport)


@given(ANY_TEXT | st.builds(format_termination_message, st.sampled_from(ModelRejection), ANY_TEXT))
def test_the_last_words_of_a_server(message: str) -> None:
    ended = {"exitCode": 1, "reason": "Error", "message": message, "finishedAt": "2026-11-23T09:00:00Z"}
    state = {
        "name": "server",
        "state": {"waiting": {"reason": message, "message": message}},
        "lastState": {"terminated": ended},
    }
    pod = {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Pending", "containerStatuses": [state]}}
    found = impediment(pod)
    said = [last_words(pod, "server"), found.what if found else ""]
    assert all(text.isprintable() and len(text) <= MAX_REPORT_BYTES for text in said)
    assert isinstance(parse_termination_message(message)[1], str)
    assert unready(pod) is None


@given(ANY_TEXT | st.integers(0, 10**30).map("the container failed with exit code {}".format))
def test_the_condition_of_a_job(message: str) -> None:
    condition = {"type": "Failed", "status": "True", "message": message, "reason": message}
    result = job_state({"metadata": {}, "status": {"conditions": [condition]}}, []).result
    assert result is not None
    assert result.message.isprintable()
    assert result.code is None or 0 <= (result.code or 0) < 1000


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 40, "٣"])
def test_an_exit_code_that_is_none(digits: str) -> None:
    assert StageResult(outcome=StageOutcome.FAILED, message=f"exit code {digits}").code is None
