"""What a Job, its pods and a termination message tell."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.stage import parse_report
from viridian.retraining.results import Ending, JobResult, JobState, ending, exit_code, job_result

Object = dict[str, Any]


def job(*conditions: Object, **status: Any) -> Object:
    template = {"spec": {"containers": [{"name": "train"}, {"name": "sidecar"}]}}
    return {"spec": {"template": template}, "status": {"conditions": list(conditions), **status}}


def condition(kind: str, status: str = "True", **more: str) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-22T03:10:00Z", **more}


def pod(created: str, state: Object, name: str = "train", **status: Any) -> Object:
    statuses = [{"name": "sidecar", "state": {"terminated": {"exitCode": 99}}}, {"name": name, "state": state}]
    return {"metadata": {"creationTimestamp": created}, "status": {"containerStatuses": statuses, **status}}


def ended(code: int, message: str = "") -> Object:
    return {"terminated": {"exitCode": code, "message": message}}


def stuck(reason: str) -> Object:
    return {"waiting": {"reason": reason, "message": "why"}}


COMPLETE = condition("Complete")


@pytest.mark.parametrize(
    ("sentence", "asked", "expected"),
    [
        ("no condition", job(), JobState.RUNNING),
        ("no status at all", {}, JobState.RUNNING),
        ("complete", job(COMPLETE), JobState.COMPLETE),
        ("failed", job(condition("Failed")), JobState.FAILED),
        ("pods still end", job(condition("FailureTarget"), condition("SuccessCriteriaMet")), JobState.RUNNING),
        ("not true", job(condition("Failed", "False")), JobState.RUNNING),
        ("suspended by a queue", job(condition("Suspended")), JobState.RUNNING),
    ],
)
def test_how_far_a_job_is(sentence: str, asked: Object, expected: JobState) -> None:
    assert ending(asked).state is expected, sentence


def test_when_a_job_ended() -> None:
    assert ending(job(COMPLETE, completionTime="2026-11-22T03:09:58Z")).at == "2026-11-22T03:09:58Z"
    assert ending(job(condition("Failed"))).at == "2026-11-22T03:10:00Z"


@pytest.mark.parametrize(
    ("sentence", "asked", "pods", "expected"),
    [
        ("no pods", job(), [], JobResult()),
        ("the working container counts", job(), [pod("1", ended(3, "bad"))], JobResult(exit_code=3, message="bad")),
        ("the newest pod", job(), [pod("2", ended(4)), pod("1", ended(3))], JobResult(exit_code=4)),
        ("of a complete job the one that succeeded", job(COMPLETE), [pod("2", ended(143)), pod("1", ended(0, "{}"))],
         JobResult(exit_code=0, message="{}")),
        ("at work", job(), [pod("1", {"running": {}})], JobResult()),
        ("still being pulled", job(), [pod("1", stuck("ContainerCreating"))], JobResult()),
        ("cannot be pulled", job(), [pod("1", stuck("ErrImagePull"))], JobResult(waiting="ErrImagePull: why")),
        ("root", job(), [pod("1", stuck("CreateContainerConfigError"))],
         JobResult(waiting="CreateContainerConfigError: why")),
        ("an init container is stuck", job(),
         [pod("1", stuck("PodInitializing"), initContainerStatuses=[{"name": "i",
          "state": stuck("ImagePullBackOff")}])],
         JobResult(waiting="ImagePullBackOff: why")),
        ("nothing is known of the container", job(), [pod("1", ended(3), name="other")], JobResult()),
    ],
)  # fmt: skip
def test_what_the_pods_tell(sentence: str, asked: Object, pods: list[Object], expected: JobResult) -> None:
    assert job_result(asked, pods) == expected, sentence


@pytest.mark.parametrize(
    ("result", "end", "code"),
    [
        (JobResult(exit_code=64), Ending(JobState.FAILED), 64),
        (JobResult(exit_code=3), Ending(JobState.COMPLETE), 0),
        (JobResult(), Ending(JobState.FAILED, message="failed with exit code 65 matching FailJob rule"), 65),
        (JobResult(), Ending(JobState.FAILED, message="Job has reached the specified backoff limit"), None),
    ],
)
def test_the_exit_code(result: JobResult, end: Ending, code: int | None) -> None:
    assert exit_code(result, end) == code


def test_a_report_as_the_contract_has_it() -> None:
    told = parse_report(
        json.dumps(
            {
                "metrics": {"auc": 0.8, "champion.auc": 1, "flag": True, "word": "x", "nothing": None},
                "holdout": "sha256:h",
                "model": {"uri": "models:/m-1", "digest": "sha256:d"},
                "champion": {"problem": "other columns"},
                "failures": ["one", {"column": "age"}],
            }
        )
    )
    assert dict(told.metrics) == {"auc": 0.8, "champion.auc": 1.0}
    assert (told.holdout, told.model_uri, told.model_digest) == ("sha256:h", "models:/m-1", "sha256:d")
    assert told.champion_problem == "other columns"
    assert told.failures == ("one", '{"column": "age"}')


@pytest.mark.parametrize("message", ["Traceback: no", "[1, 2]", '"text"', "{", "nul"])
def test_what_is_no_report_is_just_what_was_said(message: str) -> None:
    assert parse_report(message).said == message


def test_numbers_that_are_none_are_passed_on_to_the_gate() -> None:
    told = dict(parse_report('{"metrics": {"auc": NaN, "loss": Infinity, "big": 1' + "0" * 400 + "}}").metrics)
    assert math.isnan(told["auc"])
    assert told["loss"] == told["big"] == math.inf


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(["metrics", "holdout", "model", "champion", "failures", "x"])


@given(st.text() | st.dictionaries(KEYS, JSON).map(json.dumps))
def test_any_message_is_understood_somehow(message: str) -> None:
    told = parse_report(message)
    assert all(isinstance(value, float) for value in told.metrics.values())
    assert all(isinstance(failure, str) for failure in told.failures)


FIELDS = st.sampled_from(
    ["metadata", "spec", "status", "conditions", "type", "containerStatuses", "state", "terminated"]
)
JUNK = st.recursive(JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=4), max_leaves=10)
OBJECTS = st.dictionaries(FIELDS, JUNK, max_size=4)


@given(OBJECTS, st.lists(OBJECTS, max_size=3))
def test_no_object_is_too_strange(asked: Object, pods: list[Object]) -> None:
    found, end = job_result(asked, pods), ending(asked)
    assert exit_code(found, end) is None or isinstance(exit_code(found, end), int)
