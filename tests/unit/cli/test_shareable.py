"""Nothing that was planted leaves the company, and what a fault needs does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.manifests import model_deployment, retrain_policy
from viridian.api import crd, names
from viridian.cli.shareable import ANNOTATIONS, OMITTED, shareable_event, shareable_log_line, shareable_object

PLANTED = "hunter2-planted"
NOW = "2026-11-28T12:00:00Z"
ENV = [{"name": "DATABASE", "value": PLANTED}]
CONTAINER = {"name": "server", "image": "registry/server:1", "env": ENV, "args": [PLANTED], "command": [PLANTED]}
METADATA = {
    "name": "churn",
    "namespace": "ml",
    "labels": {"viridian.dev/slot": "blue", "customer": PLANTED},
    "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": PLANTED,
        "viridian.dev/intent": PLANTED,
        "viridian.dev/note": PLANTED,
        "viridian.dev/accept": f"9d290bcc {PLANTED}#alice",
    },
}


def deployed() -> dict[str, Any]:
    found = model_deployment("ml")
    found["metadata"] = METADATA
    found["spec"]["server"] = {"replicas": 3, "template": {"spec": {"containers": [CONTAINER]}}}
    found["spec"]["model"] = {"uri": f"https://user:{PLANTED}@models.example.com/a.tar.gz", "digest": "sha256:00"}
    found["spec"]["hold"] = {"reason": PLANTED}
    found["status"] = {
        "champion": {"slot": "blue", "revision": "aaaa", "uri": f"https://u:{PLANTED}@h/x"},
        "conditions": [
            {
                "type": "Ready", "status": "True", "reason": "Serving", "lastTransitionTime": NOW,
                "message": f"fetched from https://u:{PLANTED}@models.example.com/x",
            }
        ],
        "made-up": PLANTED,
    }  # fmt: skip
    return found


def trained() -> dict[str, Any]:
    found = retrain_policy("ml")
    found["metadata"] = METADATA
    found["spec"]["stages"]["training"]["template"]["spec"]["containers"][0]["env"] = ENV
    found["spec"]["data"] = {"uri": f"s3://{PLANTED}/rows.csv"}
    found["spec"]["parameters"] = {"name": PLANTED}
    failed = {"id": "9d290bcc", "outcome": "Failed", "message": f"the log ends in: age={PLANTED}"}
    found["status"] = {
        "stages": [{"name": "training", "state": "Failed", "message": PLANTED}],
        "runs": [failed],
        "lastRun": failed,
        "conditions": [{"type": "Ready", "status": "False", "reason": "StageFailed", "message": PLANTED}],
    }
    return found


def of_kubernetes(kind: str) -> dict[str, Any]:
    pod = {"containers": [CONTAINER], "volumes": [{"secret": PLANTED}]}
    ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": PLANTED}}
    return {
        "kind": kind,
        "metadata": METADATA,
        "data": {"template": PLANTED},
        "spec": {**pod, "replicas": 2, "template": {"spec": pod, "metadata": METADATA}},
        "status": {"containerStatuses": [{"name": "server", "lastState": ended}], "message": PLANTED},
    }


OBJECTS = {
    "ModelDeployment": deployed(),
    "RetrainPolicy": trained(),
    **{kind: of_kubernetes(kind) for kind in ("Deployment", "Pod", "Job", "Service", "ControllerRevision", "Secret")},
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_no_object_carries_what_was_planted(kind: str) -> None:
    assert PLANTED in json.dumps(OBJECTS[kind])
    assert PLANTED not in yaml.safe_dump(shareable_object(OBJECTS[kind]))


def test_what_a_fault_needs_is_there() -> None:
    model, policy = shareable_object(deployed()), shareable_object(trained())
    assert model["spec"]["rollout"]["steps"][0] == {"weight": 10, "duration": "5m"}
    assert model["status"]["conditions"][0]["message"].startswith("fetched from https://")
    assert model["spec"]["server"]["template"]["spec"]["containers"][0] == {
        "name": "server",
        "image": "registry/server:1",
    }
    assert policy["spec"]["triggers"] == [{"name": "weekly", "schedule": {"cron": "0 3 * * 0"}}]
    assert policy["status"]["lastRun"] == {"id": "9d290bcc", "outcome": "Failed", "message": OMITTED}
    assert policy["metadata"]["annotations"]["viridian.dev/accept"] == "9d290bcc"
    assert "customer" in policy["metadata"]["labels"]
    pod = shareable_object(of_kubernetes("Pod"))
    assert pod["status"]["containerStatuses"][0]["lastState"] == {"terminated": {"reason": "Error", "exitCode": 1}}
    assert pod["spec"]["containers"][0]["env"] == [{"name": "DATABASE"}]


def test_an_event_of_a_container_has_no_sentence() -> None:
    event = {"reason": "BackOff", "message": PLANTED, "involvedObject": {"kind": "Pod", "name": "churn-blue-x"}}
    assert shareable_event(event)["message"] == OMITTED
    own = {"kind": "ModelDeployment", "apiVersion": "viridian.dev/v1alpha1", "name": "churn"}
    kept = shareable_event({"reason": "Promoted", "message": "version 2 is the champion", "involvedObject": own})
    assert (kept["message"], kept["about"]["name"]) == ("version 2 is the champion", "churn")


def test_a_line_of_the_log_keeps_where_it_was_raised_and_not_why() -> None:
    raised = f'Traceback:\n  File "/app/viridian/x.py", line 7, in decide\n    f(secret)\nValueError: {PLANTED}'
    line = json.dumps({"time": NOW, "level": "error", "message": "failed", "rows": PLANTED, "exception": raised})
    kept = json.loads(shareable_log_line(line) or "")
    assert kept == {
        "time": NOW, "level": "error", "message": "failed", "exception": ["/app/viridian/x.py:7 decide", "ValueError"],
    }  # fmt: skip
    assert shareable_log_line(PLANTED) is None
    assert shareable_log_line(f'["{PLANTED}"]') is None


def test_all_annotations_that_are_kept_exist() -> None:
    assert {value for value in vars(names).values() if isinstance(value, str)} >= ANNOTATIONS


def test_every_text_of_our_kinds_is_omitted_unless_it_is_known_to_be_a_name_or_a_word() -> None:
    """A new field of a spec is left out until somebody has thought of it."""
    for kind in crd.KINDS:
        manifest = {"kind": kind.name, "metadata": {"name": "x"}, "spec": {"somethingNew": PLANTED}}
        assert PLANTED not in json.dumps(shareable_object(manifest))
