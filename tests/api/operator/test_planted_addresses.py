"""Credentials that people write into addresses, and that pods repeat, are found nowhere but where they are needed.

One story: models whose addresses hold signatures, data with a key, a pod and a Job whose last words quote addresses,
and an MLflow behind a password. Then everything is searched that the operator has written or told.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from localcluster.controlplane import ControlPlane
from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import Fate, JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, RETRAIN_POLICY

GOOD = "https://models.example/good.tar.gz?X-Amz-Signature=PLANTEDSIG88"
BAD = "https://models.example/bad.tar.gz?X-Amz-Signature=PLANTEDBAD88"
DATA = "https://data.example/rows.csv?sig=PLANTEDDATA88"
QUOTED = "https://planteduser:PLANTEDPW77@models.example/m?X-Amz-Signature=PLANTEDQUOTE"
LAST_WORDS = f"ModelUnavailable: cannot read {QUOTED}: timed out\x1b[31m\nINFO all is well"
CREDENTIALS = {"MLFLOW_TRACKING_USERNAME": "planteduser", "MLFLOW_TRACKING_PASSWORD": "PLANTEDMLFLOW"}
# Where a whole address has to stand: what people wrote, the pods and what they are made of.
OWN_BUSINESS = (
    (API_VERSION, MODEL_DEPLOYMENT),
    (API_VERSION, RETRAIN_POLICY),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
)
WHOLE = (
    ("apps/v1", "ControllerRevision"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("events.k8s.io/v1", "Event"),
)


def source(uri: str) -> Object:
    return {"uri": uri, "digest": f"sha256:{hashlib.sha256(uri.encode()).hexdigest()}"}


def test_what_is_planted_in_addresses_is_found_nowhere(
    control_plane: ControlPlane,
    kube: Kube,
    kubelet: Kubelet,
    churn: LiveModel,
    namespace: str,
    mlflow: MlflowServer,
    tmp_path: Path,
) -> None:
    flags = (
        f"--namespace={namespace}",
        f"--mlflow-uri={mlflow.url}",
        "--log-format=text",
        "--log-level=debug",
    )
    with OperatorProcess(control_plane.kubeconfig, tmp_path, *flags, environment=CREDENTIALS) as operator:
        operator.until_ready()
        signed = a_model_with_signed_addresses(kube, kubelet, churn)
        secret = a_model_from_a_secret(kube, kubelet, namespace)
        run = a_run_with_data_behind_a_key(kube, kubelet, namespace)
        metrics = operator.exposition()
        assert operator.stop() == 0, operator.log()
    told = {
        "metrics": metrics,
        "log": operator.log(),
        "MLflow": json.dumps(LiveRegistry(mlflow.url).run(run), ensure_ascii=False),
        **{f"{kind} {name}": text for kind, name, text in written(kube, namespace)},
    }
    assert len(told) > 12, told.keys()
    assert [where for where, text in told.items() if "planted" in text.lower()] == []
    assert [where for where, text in told.items() if "\x1b" in text or "\\u001b" in text] == []
    assert "\nINFO all is well" not in operator.log()
    assert signed["champion"]["uri"] == "https://models.example/good.tar.gz?…"
    assert "https://models.example/m?…: timed out\\x1b[31m INFO all is well" in json.dumps(
        signed["rejected"], ensure_ascii=False
    ).replace("\\\\", "\\")
    assert secret["champion"]["uri"] == "secret:signed/uri"


def a_model_with_signed_addresses(kube: Kube, kubelet: Kubelet, churn: LiveModel) -> Object:
    """The first version serves; the second cannot be fetched, and is rejected with the last words of its pod."""
    kubelet.fate(churn.namespace, BAD.rpartition("/")[2], Fate(ready_after=None, fetch_failure=LAST_WORDS))
    churn.apply(source(GOOD))
    churn.until(lambda model: model.champion, "a champion")
    churn.apply(source(BAD), rollout={"progressDeadline": "10s"})
    churn.until(lambda model: model.status.get("rejected"), "a rejection")
    pods = kube.list("v1", "Pod", churn.namespace)
    assert GOOD in json.dumps(pods), "the pod gets the whole address"
    return churn.status


def a_model_from_a_secret(kube: Kube, kubelet: Kubelet, namespace: str) -> Object:
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "signed", "namespace": namespace},
            "stringData": {"uri": f"{GOOD}&PLANTEDSECRET"},
        }
    )
    other = LiveModel(kube, kubelet, namespace, "other")
    other.apply({"uriSecretRef": {"name": "signed"}, "digest": source("")["digest"]})
    other.until(lambda model: model.champion, "a champion")
    return other.status


def a_run_with_data_behind_a_key(kube: Kube, kubelet: Kubelet, namespace: str) -> str:
    """A run whose Job fails with words that quote addresses; the id of its MLflow run."""
    followed = LiveModel(kube, kubelet, namespace, "followed")
    followed.apply({"registry": {"name": namespace, "alias": "candidate"}})
    policy = LivePolicy(kube, kubelet, namespace, "followed")
    policy.apply(data={"uri": DATA, "revision": "1"})
    policy.ask_for_a_run("once")
    job = policy.running()
    assert environment(job)["VIRIDIAN_DATA_URI"] == DATA
    policy.ends(job, JobEnd(64, f"cannot read {QUOTED}\x1b[31m"))
    assert policy.finished()["outcome"] == "DataQualityFailed"
    run = environment(job)["MLFLOW_RUN_ID"]
    eventually(lambda: policy.condition("DataQuality").get("status") == "False", what="the data's condition")
    return run


def written(kube: Kube, namespace: str) -> list[tuple[str, str, str]]:
    """Kind, name and text of all that the operator has written there."""
    found = [
        (kind, one, {**one, "spec": None})
        for version, kind in OWN_BUSINESS
        for one in kube.list(version, kind, namespace)
    ]
    found += [(kind, one, one) for version, kind in WHOLE for one in kube.list(version, kind, namespace)]
    return [(kind, one["metadata"]["name"], json.dumps(shown, ensure_ascii=False)) for kind, one, shown in found]
