"""What a Job, its pods and a termination message tell."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.registry import RunStatus, TrainingRun
from viridian.api.stage import parse_report
from viridian.core.times import parse_time
from viridian.retraining.mlflow_runs import result_from_mlflow
from viridian.retraining.stages.job_state import job_state
from viridian.retraining.stages.state import StageOutcome, StageResult, StageState

Object = dict[str, Any]
AT = "2026-11-22T03:10:00Z"
NOW = parse_time("2026-11-22T04:00:00Z")
CONTAINERS = [{"name": "train", "resources": {"limits": {"memory": "64Mi"}}}, {"name": "sidecar"}]


def job(*conditions: Object, **status: Any) -> Object:
    metadata = {"name": "churn-1-training", "namespace": "ml", "creationTimestamp": "2026-11-22T03:00:00Z"}
    template = {"spec": {"containers": CONTAINERS}}
    return {
        "metadata": metadata,
        "spec": {"template": template},
        "status": {"conditions": list(conditions), **status},
    }


def condition(kind: str, status: str = "True", **more: str) -> Object:
    return {"type": kind, "status": status, "lastTransitionTime": AT, **more}


def pod(
    created: str, state: Object, name: str = "train", phase: str = "Failed", beside: Object | None = None, **status: Any
) -> Object:
    other = beside or {"terminated": {"exitCode": 0}}
    statuses = [{"name": "sidecar", "state": other}, {"name": name, "state": state}]
    return {
        "metadata": {"name": f"pod-{created}", "creationTimestamp": f"2026-11-22T03:0{created}:00Z"},
        "spec": {"containers": CONTAINERS},
        "status": {"phase": phase, "containerStatuses": statuses, **status},
    }


def ended(code: int, message: str = "", **more: str) -> Object:
    return {"terminated": {"exitCode": code, "message": message, "finishedAt": AT, **more}}


def stuck(reason: str) -> Object:
    return {"waiting": {"reason": reason, "message": "why"}}


COMPLETE = condition("Complete")
RUNNING: Object = {"running": {"startedAt": AT}}


@pytest.mark.parametrize(
    ("sentence", "asked", "expected"),
    [
        ("no condition", job(), None),
        ("no status at all", {}, None),
        ("complete", job(COMPLETE), StageOutcome.COMPLETE),
        ("failed", job(condition("Failed")), StageOutcome.FAILED),
        ("pods still end", job(condition("FailureTarget"), condition("SuccessCriteriaMet")), None),
        ("not true", job(condition("Failed", "False")), None),
        ("suspended by a queue", job(condition("Suspended")), None),
    ],
)
def test_how_far_a_job_is(sentence: str, asked: Object, expected: StageOutcome | None) -> None:
    found = job_state(asked, []).result
    assert (found.outcome if found else None) is expected, sentence


def test_when_a_job_ended() -> None:
    early = job_state(job(COMPLETE, completionTime="2026-11-22T03:09:58Z"), []).result
    late = job_state(job(condition("Failed")), []).result
    assert early is not None
    assert late is not None
    assert (early.at, late.at) == ("2026-11-22T03:09:58Z", AT)


@pytest.mark.parametrize(
    ("sentence", "asked", "pods", "expected"),
    [
        ("no pods", job(), [], None),
        ("the working container counts", job(), [pod("1", ended(3, "bad"))], (3, "bad", 1)),
        ("the newest pod", job(), [pod("2", ended(4)), pod("1", ended(3))], (4, "", 2)),
        ("of a complete job the one that succeeded", job(COMPLETE), [pod("2", ended(143)), pod("1", ended(0, "{}"))],
         (0, "{}", 2)),
        ("at work", job(), [pod("1", {"running": {}}, phase="Running")], None),
        ("nothing is known of the container", job(), [pod("1", ended(3), name="other")], None),
    ],
)  # fmt: skip
def test_how_the_working_container_ended(
    sentence: str, asked: Object, pods: list[Object], expected: tuple[int, str, int] | None
) -> None:
    found = job_state(asked, pods).main_container
    assert (found and (found.exit_code, found.termination_message, found.failures)) == expected, sentence


SUSPENDED = condition("Suspended")
UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no GPU"}]


@pytest.mark.parametrize(
    ("sentence", "asked", "pods", "expected"),
    [
        ("at work", job(), [pod("1", RUNNING, phase="Running")], ""),
        ("ended", job(COMPLETE), [], ""),
        ("no node", job(), [pod("1", {}, phase="Pending", conditions=UNSCHEDULED)],
         "it is not scheduled: 0/1 nodes: no GPU"),
        ("image", job(), [pod("1", stuck("ErrImageNeverPull"), phase="Pending")], "train: ErrImageNeverPull: why"),
        ("root", job(), [pod("1", stuck("CreateContainerConfigError"), phase="Pending")],
         "train: CreateContainerConfigError: why"),
        ("image of an init container", job(),
         [pod("1", stuck("PodInitializing"), phase="Pending", initContainerStatuses=[{"name": "i",
          "state": stuck("ImagePullBackOff")}])],
         "i: ImagePullBackOff: why"),
        ("an init container that does not end", job(),
         [pod("1", stuck("PodInitializing"), phase="Pending", initContainerStatuses=[{"name": "i", "state": RUNNING}])],
         "i: this init container is at work, for 30m now"),
        ("no pod at all", job(), [],
         "no pod has been created: does a quota or an admission policy refuse it? kubectl -n ml describe job "
         "churn-1-training, for 1h now"),
        ("suspended by a queue", job(SUSPENDED), [],
         "its Job is suspended, and a queue such as Kueue, or a person, has to resume it"),
        ("the newest attempt counts", job(), [pod("1", ended(1)), pod("2", {}, phase="Pending",
          conditions=UNSCHEDULED)], "it is not scheduled: 0/1 nodes: no GPU"),
    ],
)  # fmt: skip
def test_why_nothing_runs(sentence: str, asked: Object, pods: list[Object], expected: str) -> None:
    assert NOW is not None
    found = job_state(asked, pods).waiting
    assert (found.sentence(NOW) if found else "") == expected, sentence


def test_an_attempt_that_took_too_much_memory_is_named_while_the_next_one_is_made() -> None:
    assert NOW is not None
    killed = pod("1", ended(137, reason="OOMKilled"))
    killed["status"]["containerStatuses"][0]["state"] = ended(143)
    found = job_state(job(failed=1), [killed, pod("2", RUNNING, phase="Running")]).failed
    assert found is not None
    assert found.sentence(NOW) == "train: OOMKilled: it took more memory than its limit of 64Mi"


def test_a_container_that_goes_on_after_the_work_is_named() -> None:
    found = job_state(job(), [pod("1", ended(0, "{}"), phase="Running", beside=RUNNING)])
    assert found.result is None
    assert found.lingering == ("sidecar",)
    assert found.main_container == StageResult(
        outcome=StageOutcome.COMPLETE, at=AT, exit_code=0, termination_message="{}"
    )


def test_a_native_sidecar_keeps_nothing_alive() -> None:
    """Kubernetes ends it with the pod's containers, so the pod succeeds."""
    sidecar = {"name": "proxy", "state": {"terminated": {"exitCode": 137}}}
    found = job_state(job(COMPLETE), [pod("1", ended(0), phase="Succeeded", initContainerStatuses=[sidecar])])
    assert found.lingering == ()
    assert found.result is not None
    assert found.result.exit_code == 0


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (StageResult(outcome=StageOutcome.FAILED, exit_code=64), 64),
        (StageResult(outcome=StageOutcome.COMPLETE, exit_code=3), 0),
        (StageResult(outcome=StageOutcome.FAILED, message="failed with exit code 65 matching FailJob rule"), 65),
        (StageResult(outcome=StageOutcome.FAILED, message="Job has reached the specified backoff limit"), None),
    ],
)
def test_the_exit_code(result: StageResult, code: int | None) -> None:
    assert result.code == code


@pytest.mark.parametrize(
    ("sentence", "run", "state"),
    [
        ("deleted", None, StageOutcome.CANCELLED),
        ("open and empty", TrainingRun(run_id="r", status=RunStatus.RUNNING), StageOutcome.CANCELLED),
        ("open, with numbers of a model that is not there", TrainingRun(run_id="r", status=RunStatus.RUNNING,
         metrics={"loss": 0.5}), StageOutcome.CANCELLED),
        ("open, with a model", TrainingRun(run_id="r", status=RunStatus.RUNNING, model_uri="models:/m-1"),
         StageOutcome.COMPLETE),
        ("finished", TrainingRun(run_id="r", status=RunStatus.FINISHED), StageOutcome.COMPLETE),
        ("failed", TrainingRun(run_id="r", status=RunStatus.FAILED), StageOutcome.FAILED),
        ("killed", TrainingRun(run_id="r", status=RunStatus.KILLED, model_uri="models:/m-1"), StageOutcome.CANCELLED),
    ],
)  # fmt: skip
def test_how_a_stage_ended_of_which_only_mlflow_knows(
    sentence: str, run: TrainingRun | None, state: StageOutcome
) -> None:
    assert NOW is not None
    assert result_from_mlflow(run, NOW).outcome is state, sentence


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
    assert parse_report(message).message == message


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


FIELDS = st.sampled_from(["metadata", "spec", "status", "conditions", "type", "template", "containers", "failed"])
JUNK = st.recursive(JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=4), max_leaves=10)
OBJECTS = st.dictionaries(FIELDS, JUNK, max_size=4)
STATES = st.sampled_from(
    [{}, RUNNING, stuck("ContainerCreating"), stuck("ErrImagePull"), ended(0), ended(64), ended(1)]
)
PODS = st.builds(
    pod,
    st.sampled_from("123"),
    STATES,
    phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown"]),
    beside=STATES,
)


@given(OBJECTS, st.lists(PODS, max_size=3))
def test_no_job_is_too_strange(asked: Object, pods: list[Object]) -> None:
    found = job_state(asked, pods)
    assert found == job_state(asked, pods)
    assert isinstance(found, StageState)
