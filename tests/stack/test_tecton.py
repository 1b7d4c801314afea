"""Tecton: the contract of containers alone, since its service is closed software and its client asks for a login."""

from __future__ import annotations

from pathlib import Path

from tests.support.stack.made_pods import MadePod, job_of, server_of
from tests.support.stack.systems import named

SYSTEM = named("tecton")


def reaches(pod: MadePod) -> None:
    assert pod.account == "churn-features"
    assert pod.annotations["acme.example/egress"] == "tecton"
    assert pod.variables["API_SERVICE"] == "https://acme.tecton.ai/api"
    assert pod.variables["TECTON_API_KEY"] == {"secretKeyRef": {"name": "tecton", "key": "key"}}
    assert pod.variables["VIRIDIAN_FEATURES_REF"] == "churn_service"


def test_service_account_annotations_and_variables_reach_the_job(tmp_path: Path) -> None:
    reaches(job_of(SYSTEM, tmp_path))


def test_service_account_annotations_and_variables_reach_the_servers() -> None:
    reaches(server_of(SYSTEM))
