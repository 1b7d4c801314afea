"""The Job of a run: the contract is added, and what the user wrote stays."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.unit.retraining.world import MLFLOW, World, deployment, policy
from viridian.api.names import MODEL_DEPLOYMENT_LABEL
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.core.pod_platform import PodPlatform

Object = dict[str, Any]


def made(template: Object | None = None, **spec: Any) -> Object:
    """The Job of a run by hand, from that template."""
    world = World(policy=policy(**spec)).serve("3")
    if template is not None:
        world.policy["spec"]["stages"]["training"]["template"] = template
    world.settle()
    world.ask_by_hand("one").settle()
    return world.job


def pod(job: Object) -> Object:
    found: Object = job["spec"]["template"]["spec"]
    return found


def environment(job: Object) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in pod(job)["containers"][0]["env"]}


def with_container(pod_fields: Object | None = None, **fields: Any) -> Object:
    return {"spec": {"containers": [{"name": "train", "image": "img:1", **fields}], **(pod_fields or {})}}


def test_the_contract_of_a_stage() -> None:
    job = made(data={"uri": "s3://data/train.csv", "revision": "r7"})
    run = job["metadata"]["labels"]["viridian.dev/run"]
    told = environment(job)
    mlflow_run = told.pop("MLFLOW_RUN_ID")
    assert mlflow_run == json.loads(job["metadata"]["annotations"]["viridian.dev/trigger"])["mlflowRun"]
    assert told == {
        "VIRIDIAN_RUN_ID": run,
        "VIRIDIAN_MODEL_NAME": "churn",
        "VIRIDIAN_STAGE": "training",
        "VIRIDIAN_REASONS": '[{"source": "manual", "value": "one"}]',
        "VIRIDIAN_DATA_URI": "s3://data/train.csv",
        "VIRIDIAN_DATA_REVISION": "r7",
        "VIRIDIAN_DATA_DIGEST": "",
        "VIRIDIAN_FEATURES_REF": "",
        "VIRIDIAN_FEATURES_DIGEST": "",
        "VIRIDIAN_CHAMPION_URI": "mlflow-artifacts:/churn/3",
        "VIRIDIAN_OBJECTIVE": "",
        "VIRIDIAN_LAST_EVALUATION": "",
        "VIRIDIAN_EVALUATION": '{"slices": [], "constantBaseline": false}',
        "VIRIDIAN_OUT_DIR": "/viridian/out",
        "VIRIDIAN_IN_DIR": "",
        "VIRIDIAN_CHECKPOINT_DIR": "",
        "VIRIDIAN_STAGE_RUNS": "{}",
        "VIRIDIAN_FEEDBACK_URI": "",
        "VIRIDIAN_FEEDBACK_DIGEST": "",
        "VIRIDIAN_COLLECTOR_TOKEN_FILE": "",
        "MLFLOW_TRACKING_URI": MLFLOW,
        "MLFLOW_EXPERIMENT_NAME": "ml/churn",
    }
    assert pod(job)["volumes"] == [{"name": "viridian-out", "emptyDir": {"sizeLimit": "50Gi"}}]
    assert pod(job)["containers"][0]["volumeMounts"] == [{"name": "viridian-out", "mountPath": "/viridian/out"}]


def test_the_job_is_named_after_its_run_owned_and_labelled() -> None:
    job = made()
    run = job["metadata"]["labels"]["viridian.dev/run"]
    assert job["metadata"]["name"] == f"churn-{run}-training"
    assert job["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "viridian.dev/v1alpha1",
            "kind": "RetrainPolicy",
            "name": "churn",
            "uid": "policy-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    labels = job["metadata"]["labels"]
    assert labels["viridian.dev/retrain-policy"] == "churn"
    assert labels["viridian.dev/stage"] == "training"
    assert labels.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_no_service_of_the_model_ever_selects_the_pod_that_trains() -> None:
    template = with_container()
    template["metadata"] = {"labels": {MODEL_DEPLOYMENT_LABEL: "churn", "team": "ml"}}
    labels = made(template)["spec"]["template"]["metadata"]["labels"]
    assert MODEL_DEPLOYMENT_LABEL not in labels
    assert labels["team"] == "ml"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, {"requests": {"memory": "256Mi"}, "limits": {"memory": "16Gi"}}),
        ({"limits": {"memory": "64Gi"}}, {"limits": {"memory": "64Gi"}}),
        ({"requests": {"memory": "8Gi"}}, {"requests": {"memory": "8Gi"}}),
        (
            {"requests": {"cpu": "2"}, "limits": {"nvidia.com/gpu": 1}},
            {"requests": {"cpu": "2", "memory": "256Mi"}, "limits": {"nvidia.com/gpu": 1, "memory": "16Gi"}},
        ),
    ],
)
def test_memory_is_bounded_where_the_user_has_not_said_how_much_is_needed(resources: Any, expected: Object) -> None:
    fields = {} if resources is None else {"resources": resources}
    job = made(with_container({"initContainers": [{"name": "before", "image": "a", **fields}]}, **fields))
    assert pod(job)["containers"][0]["resources"] == expected
    assert pod(job)["initContainers"][0]["resources"] == expected


@pytest.mark.parametrize(
    ("sentence", "spec", "resources", "expected"),
    [
        ("of the spec", {"defaultResources": {"cpu": "500m", "memory": "2Gi"}}, {},
         {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}),
        ("of the workflow", {"workflow": "Iterative"}, {},
         {"requests": {"cpu": "1", "memory": "256Mi"}, "limits": {"memory": "8Gi"}}),
        ("the spec before the workflow", {"workflow": "Agile", "defaultResources": {"cpu": "3"}}, {},
         {"requests": {"cpu": "3", "memory": "256Mi"}, "limits": {"memory": "16Gi"}}),
        ("CPUs that the container writes", {"workflow": "Agile"}, {"limits": {"cpu": "4"}},
         {"requests": {"memory": "256Mi"}, "limits": {"cpu": "4", "memory": "16Gi"}}),
        ("memory that the container writes", {"workflow": "Agile"}, {"requests": {"memory": "1Gi"}},
         {"requests": {"cpu": "2", "memory": "1Gi"}}),
    ],
)  # fmt: skip
def test_containers_that_write_no_resources_get_those_of_the_policy(
    sentence: str, spec: Object, resources: Object, expected: Object
) -> None:
    template = with_container({"initContainers": [{"name": "before", "image": "a"}]}, resources=resources)
    stages = {"training": {"template": template}}
    job = made(stages=stages, approval={"training": "Auto"}, mode="Automatic", **spec)
    assert pod(job)["containers"][0]["resources"] == expected, sentence
    assert "cpu" not in pod(job)["initContainers"][0]["resources"]["requests"]


def test_retries_timeout_and_what_does_not_count() -> None:
    stage = {"template": with_container(), "timeout": "1h30m", "backoffLimit": 5}
    spec = made(stages={"training": stage})["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (5, 5400)
    ignored, final = spec["podFailurePolicy"]["rules"]
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert final["action"] == "FailJob"
    assert final["onExitCodes"] == {"containerName": "train", "operator": "In", "values": [64, 65, 66]}
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_restricted_pod_security_where_the_user_says_nothing() -> None:
    spec = pod(made(with_container({"initContainers": [{"name": "fetch", "image": "img:1"}]})))
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("asked", "mounted"), [({}, False), ({"automountServiceAccountToken": True}, True)])
def test_a_token_is_mounted_only_where_the_template_asks_for_it(asked: Object, mounted: bool) -> None:
    spec = pod(made(with_container({"serviceAccountName": "trainer", **asked})))
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("trainer", mounted)


def test_what_a_spec_says_reaches_no_other_variable_of_the_container() -> None:
    """The kubelet would put the password of an `envFrom` into the address, and the trainer would ask for it there."""
    job = made(
        with_container(envFrom=[{"secretRef": {"name": "s3"}}]),
        data={"uri": "https://evil/$(PASSWORD)/$$(PASSWORD)", "revision": "$(PASSWORD)"},
    )
    assert environment(job)["VIRIDIAN_DATA_URI"] == "https://evil/$$(PASSWORD)/$$$$(PASSWORD)"
    assert environment(job)["VIRIDIAN_DATA_REVISION"] == "$$(PASSWORD)"


@pytest.mark.parametrize(
    ("sentence", "pod_fields", "fields", "expected_pod", "expected"),
    [
        ("the pod's own", {"securityContext": {"runAsNonRoot": False, "fsGroup": 7}}, {},
         {"runAsNonRoot": False, "fsGroup": 7, "seccompProfile": {"type": "RuntimeDefault"}}, None),
        ("root, chosen for the pod", {"securityContext": {"runAsUser": 0}}, {},
         {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}, None),
        ("root, chosen for the container", {}, {"securityContext": {"runAsUser": 0}},
         {"seccompProfile": {"type": "RuntimeDefault"}},
         {"runAsUser": 0, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
        ("privileged", {}, {"securityContext": {"privileged": True}},
         {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
         {"privileged": True, "capabilities": {"drop": ["ALL"]}}),
        ("capabilities", {}, {"securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}},
         {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
         {"allowPrivilegeEscalation": False, "capabilities": {"add": ["IPC_LOCK"]}}),
    ],
)  # fmt: skip
def test_what_the_user_chose_for_security_stays(
    sentence: str, pod_fields: Object, fields: Object, expected_pod: Object, expected: Object | None
) -> None:
    spec = pod(made(with_container(pod_fields, **fields)))
    assert spec["securityContext"] == expected_pod, sentence
    if expected is not None:
        assert spec["containers"][0]["securityContext"] == expected, sentence


def test_every_field_that_the_user_wrote_is_still_there() -> None:
    template = {
        "metadata": {"labels": {"team": "ml"}, "annotations": {"note": "keep"}},
        "spec": {
            "serviceAccountName": "trainer",
            "nodeSelector": {"gpu": "yes"},
            "enableServiceLinks": True,
            "volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}}],
            "containers": [
                {
                    "name": "train",
                    "image": "img:1",
                    "args": ["--data", "$(VIRIDIAN_DATA_URI)"],
                    "env": [{"name": "MLFLOW_TRACKING_URI", "value": "https://elsewhere"}, {"name": "A", "value": "1"}],
                    "envFrom": [{"secretRef": {"name": "s3"}}],
                    "volumeMounts": [{"name": "cache", "mountPath": "/viridian/out/"}],
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                    "terminationMessagePolicy": "File",
                },
                {"name": "sidecar", "image": "proxy:1"},
            ],
        },
    }
    job = made(copy.deepcopy(template))
    assert contained(template["spec"], pod(job))
    assert contained(template["metadata"], job["spec"]["template"]["metadata"])
    assert environment(job)["MLFLOW_TRACKING_URI"] == "https://elsewhere"
    names = [variable["name"] for variable in pod(job)["containers"][0]["env"]]
    assert len(names) == len(set(names))
    assert names.index("VIRIDIAN_DATA_URI") < names.index("A"), "the user's variables may refer to Viridian's"
    mounts = pod(job)["containers"][0]["volumeMounts"]
    assert mounts == [{"name": "cache", "mountPath": "/viridian/out/"}]
    assert "env" not in pod(job)["containers"][1]


def test_a_template_may_replace_and_remove_as_one_of_a_model_deployment_may() -> None:
    job = made(
        with_container(
            {
                "volumes": [{"name": "viridian-out", "persistentVolumeClaim": {"claimName": "out"}}],
                "securityContext": {"$patch": "replace", "runAsUser": 7},
            },
            env=[{"name": "MLFLOW_TRACKING_URI", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}],
            terminationMessagePolicy=None,
        )
    )
    (container,) = pod(job)["containers"]
    (tracking,) = [one for one in container["env"] if one["name"] == "MLFLOW_TRACKING_URI"]
    assert set(tracking) == {"name", "valueFrom"}
    assert pod(job)["volumes"] == [{"name": "viridian-out", "persistentVolumeClaim": {"claimName": "out"}}]
    assert pod(job)["securityContext"] == {"runAsUser": 7}
    assert "terminationMessagePolicy" not in container


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (with_container(volumes=[{"name": "a", "$patch": "remove"}]), "write $patch: delete or $patch: replace"),
        (with_container(env=["A"]), "an entry of env needs a `name`"),
        (
            {"spec": {"containers": [{"name": "train", "image": "img:1", "$patch": "delete"}]}},
            "takes its first container train away: leave it there",
        ),
        ({"spec": {"containers": []}}, "names no container"),
    ],
)
def test_a_template_that_cannot_be_merged_stalls_the_policy(template: Object, words: str) -> None:
    world = World(policy=policy(stages={"training": {"template": template}}))
    world.ask_by_hand("one").settle()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert words in world.message("Stalled")
    assert world.jobs == {}


def contained(small: Any, large: Any) -> bool:
    """Everything in the first is in the second; lists of named things by name."""
    if isinstance(small, dict):
        return all(key in large and contained(value, large[key]) for key, value in small.items())
    if isinstance(small, list) and small and isinstance(small[0], dict):
        return all(any(contained(entry, other) for other in large) for entry in small)
    return bool(small == large)


def test_the_next_run_hears_how_the_last_one_ended() -> None:
    world = World(policy=policy(gate={"metrics": [{"name": "auc", "min": 0.75}]}))
    world.settle()
    world.ask_by_hand("one").settle()
    world.train(auc=0.5).settle()
    world.ask_by_hand("two").settle()
    assert json.loads(environment(world.job)["VIRIDIAN_LAST_EVALUATION"]) == {
        "outcome": "Rejected",
        "metrics": {"auc": 0.5},
        "reason": "auc 0.5 is below its minimum 0.75",
    }


def test_an_evaluation_is_asked_for_what_the_gate_wants_to_know() -> None:
    slices = [{"column": "region", "maxDrop": 0.02}, {"column": "age", "maxDrop": 0.1, "metric": "recall"}]
    world = World(policy=policy(gate={"slices": slices, "baseline": "Constant"}))
    world.ask_by_hand("one").settle()
    assert json.loads(environment(world.job)["VIRIDIAN_EVALUATION"]) == {
        "slices": [{"column": "region"}, {"column": "age", "metric": "recall"}],
        "constantBaseline": True,
    }


def test_a_first_run_has_no_champion() -> None:
    world = World(policy=policy(), deployment=deployment())
    world.settle()
    world.ask_by_hand("one").settle()
    assert environment(world.job)["VIRIDIAN_CHAMPION_URI"] == ""


def test_a_run_is_given_the_rows_that_were_frozen_for_it() -> None:
    world = World(collector=True)
    assert world.deployment is not None
    world.deployment["spec"]["feedback"] = {}
    world.ask_by_hand("one").settle()
    (rows,) = world.frozen.values()
    told, pod_spec = environment(world.job), pod(world.job)
    assert (told["VIRIDIAN_FEEDBACK_URI"], told["VIRIDIAN_FEEDBACK_DIGEST"]) == (rows.uri, rows.digest)
    (token,) = [volume for volume in pod_spec["volumes"] if "projected" in volume]
    assert token["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "viridian-collector"
    mounts = {mount["name"]: mount["mountPath"] for mount in pod_spec["containers"][0]["volumeMounts"]}
    assert told["VIRIDIAN_COLLECTOR_TOKEN_FILE"] == f"{mounts[token['name']]}/token"


def test_without_feedback_nothing_is_frozen() -> None:
    world = World(collector=True)
    world.ask_by_hand("one").settle()
    assert world.frozen == {}
    assert environment(world.job)["VIRIDIAN_FEEDBACK_URI"] == ""
    assert not any("projected" in volume for volume in pod(world.job)["volumes"])


def test_feedback_that_nobody_collects_holds_the_run_up_and_says_why() -> None:
    world = World()
    assert world.deployment is not None
    world.deployment["spec"]["feedback"] = {}
    world.ask_by_hand("one").settle()
    assert world.jobs == {}
    (ready,) = [one for one in world.policy["status"]["conditions"] if one["type"] == "Ready"]
    assert ready["reason"] == "NoCollector"
    assert "--collector-url" in ready["message"]


def test_the_defaults_are_those_of_the_schema() -> None:
    spec = made()["spec"]
    defaults = RetrainPolicySpec.__struct_fields__
    assert "stages" in defaults
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (2, 6 * 3600)


@pytest.mark.parametrize(
    ("own", "expected"), [(None, [{"name": "login"}]), ([{"name": "mine"}], [{"name": "mine"}]), ([], [])]
)
def test_images_are_pulled_with_the_user_s_secrets_else_with_the_operator_s(own: Any, expected: Any) -> None:
    world = World(policy=policy(), image_pull_secrets=("login",)).serve("3")
    world.policy["spec"]["stages"]["training"]["template"] = with_container(
        {} if own is None else {"imagePullSecrets": own}
    )
    world.settle()
    world.ask_by_hand("one").settle()
    assert pod(world.job)["imagePullSecrets"] == expected


def test_stages_are_given_proxies_authorities_and_no_ids_where_the_platform_assigns_them() -> None:
    platform = PodPlatform(None, (("HTTPS_PROXY", "http://p:3128"),), ("corporate", "ca.crt"))
    world = World(policy=policy(), platform=platform).serve("3")
    world.policy["spec"]["storage"] = {"size": "1Gi"}
    world.settle()
    world.ask_by_hand("one").settle()
    spec = pod(world.job)
    assert "fsGroup" not in spec["securityContext"]
    found = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert found["HTTPS_PROXY"] == "http://p:3128"
    assert found["SSL_CERT_FILE"] == "/etc/viridian/authorities/ca.crt"
    assert "viridian-authorities" in [one["name"] for one in spec["volumes"]]
