"""SageMaker Feature Store: the contract of containers alone, since the service runs at AWS and nowhere else."""

from __future__ import annotations

from pathlib import Path

from tests.support.stack.made_pods import MadePod, job_of, server_of, written
from tests.support.stack.systems import named

SYSTEM = named("sagemaker-feature-store")


def reaches(pod: MadePod) -> None:
    assert pod.account == written(SYSTEM, "account.yaml")["metadata"]["name"]
    assert pod.annotations["eks.amazonaws.com/skip-containers"] == "proxy"
    assert (pod.variables["AWS_REGION"], pod.variables["FEATURE_GROUP"]) == ("eu-central-1", "churn")
    assert pod.variables["VIRIDIAN_FEATURES_REF"] == "churn"
    assert pod.template["spec"]["automountServiceAccountToken"] is False, "the webhook of AWS mounts its own token"


def test_service_account_annotations_and_variables_reach_the_job(tmp_path: Path) -> None:
    reaches(job_of(SYSTEM, tmp_path))


def test_service_account_annotations_and_variables_reach_the_servers() -> None:
    reaches(server_of(SYSTEM))
