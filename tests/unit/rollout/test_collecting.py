"""What pods are told about the collector, and that those who use none are told nothing."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.support.snapshots import SETTINGS, model, spec
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.privacy import Rules
from viridian.rollout.render.collector_config import collector_settings, fragment
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.render.revision import revision_of

URL = "http://viridian-collector.viridian-system.svc:8090"
HASHED = {"columns": {"deny": ["email"], "hash": ["user id"]}, "hashKeySecretRef": {"name": "churn-key"}}


def template(whole: ModelDeploymentSpec) -> dict[str, Any]:
    return pod_template("churn", model("1"), whole.server, SETTINGS, None, fragment(whole, URL))


def server(whole: ModelDeploymentSpec) -> dict[str, Any]:
    return next(one for one in template(whole)["spec"]["containers"] if one["name"] == "server")


def told(whole: ModelDeploymentSpec) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in server(whole)["env"]}


def revision(whole: ModelDeploymentSpec) -> str:
    return revision_of(model("1"), whole.server, "", None, collector_settings(whole))


def test_without_feedback_and_monitoring_the_revision_is_as_it_ever_was() -> None:
    assert fragment(spec(), URL) == {}
    assert revision(spec()) == revision_of(model("1"), spec().server, "")


def test_feedback_gives_the_address_a_token_and_the_rules() -> None:
    found = told(spec(feedback={"sampling": 10}))
    assert found["VIRIDIAN_COLLECTOR_URL"] == URL
    assert found["VIRIDIAN_DEPLOYMENT"] == "churn"
    assert found["VIRIDIAN_NAMESPACE"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert found["VIRIDIAN_PROFILE_SECONDS"] == "60"
    assert msgspec.json.decode(found["VIRIDIAN_FEEDBACK"], type=Rules) == Rules(sampling=10)
    volumes = {volume["name"]: volume for volume in template(spec(feedback={}))["spec"]["volumes"]}
    source, authority = volumes["collector-token"]["projected"]["sources"]
    assert (authority["configMap"]["name"], authority["configMap"]["optional"]) == ("viridian-collector-ca", True)
    assert source["serviceAccountToken"]["audience"] == "viridian-collector"
    mounted = {mount["name"]: mount["mountPath"] for mount in server(spec(feedback={}))["volumeMounts"]}
    assert found["VIRIDIAN_COLLECTOR_TOKEN_FILE"].startswith(mounted["collector-token"])


def test_monitoring_alone_counts_but_sends_no_rows() -> None:
    found = told(spec(monitoring={"window": "1m", "season": "1m"}))
    assert found["VIRIDIAN_PROFILE_SECONDS"] == "15"
    assert "VIRIDIAN_FEEDBACK" not in found


def test_the_key_of_the_hashes_is_a_file_and_never_a_value() -> None:
    whole = spec(feedback=HASHED)
    assert json.loads(told(whole)["VIRIDIAN_FEEDBACK"])["hash"] == ["user id"]
    volumes = {volume["name"]: volume for volume in template(whole)["spec"]["volumes"]}
    assert volumes["feedback-key"]["secret"] == {
        "secretName": "churn-key",
        "items": [{"key": "key", "path": "key"}],
        "optional": True,
    }
    mounted = {mount["name"]: mount["mountPath"] for mount in server(whole)["volumeMounts"]}
    assert told(whole)["VIRIDIAN_FEEDBACK_KEY_FILE"] == f"{mounted['feedback-key']}/key"
    assert told(whole)["VIRIDIAN_FEEDBACK_KEY_SECRET"] == "churn-key"


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"feedback": {"sampling": 50}}, True),
        ({"feedback": {"columns": {"deny": ["email"]}}}, True),
        ({"feedback": {"retention": "30d"}}, False),
        ({"feedback": {"labelMaturity": "30d"}}, False),
        ({"feedback": {}, "monitoring": {}}, False),
        ({"feedback": {}, "monitoring": {"window": "1m", "season": "1m"}}, True),
    ],
    ids=str,
)
def test_a_revision_is_what_its_pods_are_told(change: dict[str, Any], other: bool) -> None:
    """Retention, maturity and monitors are the collector's and the operator's: changing them restarts nothing."""
    assert (revision(spec(**change)) != revision(spec(feedback={}))) is other


def test_where_nobody_listens_pods_are_told_nothing() -> None:
    assert fragment(spec(feedback={}), None) == {}


def test_a_runtime_of_the_users_own_is_told_nothing() -> None:
    container = {"name": "server", "image": "triton:1"}
    whole = spec(server={"runtime": "Custom", "template": {"spec": {"containers": [container]}}}, feedback={})
    assert fragment(whole, URL) == {}
