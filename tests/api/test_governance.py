"""GovernancePolicies on a real API server: what is refused, what may stay, and who may lower what is at stake."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.kube import Kube, Kubectl, Object, Refused, eventually
from tests.support.manifests import model_deployment, retrain_policy
from tests.support.shipped import ROOT, bound, refusal
from viridian.api.names import API_VERSION, GOVERNANCE_POLICY

COMPONENT = str(ROOT / "manifests" / "components" / "governance")
POLICIES = ("viridian-governance", "viridian-governance-existing")
HIGH = {"riskTier": "High", "businessValue": "Medium", "ticketRef": "ML-42"}
STEPS: list[Object] = [
    {"name": "few", "weight": 20, "duration": "5m", "minRequests": 5000},
    {"name": "sign-off", "approval": {}},
]
SIGNED: Object = {
    "registry": {"name": "churn", "alias": "candidate"},
    "signature": {"required": True, "publicKeySecretRef": {"name": "signers"}},
}
ROLLOUT: Object = {
    "steps": STEPS,
    "analysis": {"metrics": [{"name": "error-rate", "max": 0.01}, {"name": "latency-p95", "max": 0.25}]},
}


BARE = model_deployment("default", "in-force", governance=HIGH)
"""Has nothing of it."""


def good(namespace: str, **spec: Any) -> Object:
    """Has all that the policy of these tests demands of the highest tier."""
    whole: Object = {
        "governance": HIGH,
        "model": SIGNED,
        "rollout": ROLLOUT,
        "feedback": {},
        "monitoring": {},
        "review": {"every": "30d"},
        **spec,
    }
    return model_deployment(namespace, **whole)


def good_policy(namespace: str, **spec: Any) -> Object:
    approvals: Object = {"approval": {"training": "Required"}, "gate": {"approval": "Required"}}
    return retrain_policy(namespace, **{"governance": HIGH, "workflow": "Linear", **approvals, **spec})


REQUIRE: Object = {
    "ticket": True,
    "signature": True,
    "approval": True,
    "trialRequests": 5000,
    "metrics": ["error-rate", "latency-p95"],
    "fallback": True,
    "feedback": True,
    "monitoring": True,
    "reviewEvery": "90d",
    "trainingApproval": True,
    "gateApproval": True,
    "workflows": ["Linear", "Iterative"],
    "gateRule": "NonInferior",
}


def governance_policy(name: str) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": GOVERNANCE_POLICY,
        "metadata": {"name": name},
        "spec": {
            "requirements": [
                {"name": "high-risk", "riskTiers": ["High"], "require": REQUIRE},
                {"name": "valuable", "businessValues": ["High"], "require": {"riskTier": True}},
            ]
        },
    }


@pytest.fixture(scope="module")
def governed(shipped: Kube, kubectl: Kubectl) -> Iterator[Kube]:
    """The administrator's client, while the policy is in force."""
    manifest = governance_policy("house-rules")
    assert "no matches for kind" in kubectl.attempt("apply", "-f", "-", stdin=json.dumps(manifest)).stderr
    kubectl("apply", "--server-side", "-k", COMPONENT)
    eventually(lambda: shipped.create(manifest), what="the kind GovernancePolicy")
    # The API server looks every 30 seconds for the kind of a policy's parameters. Until it finds it, it refuses all.
    eventually(lambda: "high-risk" in refusal(shipped, BARE), what="the GovernancePolicy", timeout=90.0)
    yield shipped
    shipped.delete(manifest)
    eventually(lambda: refusal(shipped, BARE) == "", what="the end of the GovernancePolicy")
    # The policies go first: without their parameter's kind they refuse everything.
    kubectl("delete", "validatingadmissionpolicies,validatingadmissionpolicybindings", *POLICIES)
    kubectl("delete", "-k", COMPONENT, "--ignore-not-found")


BROKEN: dict[str, tuple[Callable[..., Object], Object, str]] = {
    "no ticket": (good, {"governance": {"riskTier": "High"}}, "spec.governance.ticketRef: the ticket of the model"),
    "no signature": (good, {"model": {"registry": SIGNED["registry"]}}, "spec.model.signature with required: true"),
    "a signature that is not required": (
        good,
        {"model": {**SIGNED, "signature": {**SIGNED["signature"], "required": False}}},
        "spec.model.signature with required: true",
    ),
    "no approval": (good, {"rollout": {**ROLLOUT, "steps": STEPS[:1]}}, "a step with approval: {} in spec.rollout"),
    "no trial": (good, {"rollout": {**ROLLOUT, "steps": STEPS[1:]}}, "a weight below 100 and minRequests: 5000"),
    "a short trial": (
        good,
        {"rollout": {**ROLLOUT, "steps": [{**STEPS[0], "minRequests": 4999}, STEPS[1]]}},
        "a weight below 100 and minRequests: 5000",
    ),
    "one bound too few": (
        good,
        {"rollout": {**ROLLOUT, "analysis": {"metrics": [{"name": "error-rate", "max": 0.01}]}}},
        "bounds in spec.rollout.analysis.metrics for latency-p95",
    ),
    "no fallback": (good, {"fallback": {"replicas": 0}}, "spec.fallback.replicas: 1 or more"),
    "no feedback": (good, {"feedback": None}, "spec.feedback: {}"),
    "no monitoring": (good, {"monitoring": None}, "spec.monitoring: {}"),
    "no risk tier": (good, {"governance": {"businessValue": "High"}}, "spec.governance.riskTier: Low, Medium or High"),
    "no review": (good, {"review": None}, "spec.review.every: 90d"),
    "a rare review": (good, {"review": {"every": "91d"}}, "spec.review.every: 90d"),
    "no approval of runs": (good_policy, {"approval": {}}, "spec.approval.training: Required"),
    "no approval of hand-overs": (good_policy, {"gate": {}}, "spec.gate.approval: Required"),
    "no workflow": (good_policy, {"workflow": None}, "spec.workflow: Linear or Iterative"),
    "another workflow": (good_policy, {"workflow": "Agile"}, "spec.workflow: Linear or Iterative"),
    "another workflow later": (
        good_policy,
        {"workflowAfterFirstPromotion": "Agile"},
        "spec.workflow: Linear or Iterative",
    ),
    "a laxer gate": (
        good_policy,
        {"gate": {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.8}], "approval": "Required"}},
        "spec.gate.rule: NonInferior",
    ),
}


def test_what_has_everything_is_taken(governed: Kube, namespace: str) -> None:
    assert refusal(governed, good(namespace)) == ""
    assert refusal(governed, good_policy(namespace)) == ""


def test_what_is_not_of_the_tier_needs_nothing(governed: Kube, namespace: str) -> None:
    assert refusal(governed, model_deployment(namespace)) == ""
    assert refusal(governed, model_deployment(namespace, governance={"riskTier": "Medium"})) == ""
    assert refusal(governed, retrain_policy(namespace)) == ""


def test_each_refusal_names_requirement_policy_and_what_to_write(governed: Kube, namespace: str) -> None:
    for what, (make, change, advice) in BROKEN.items():
        message = refusal(governed, make(namespace, **change))
        name = "valuable" if what == "no risk tier" else "high-risk"
        assert f"requirement {name} of GovernancePolicy house-rules: write " in message, what
        assert advice in message, what
        assert message.count("requirement ") == 1, what


def test_several_failings_are_named_at_once(governed: Kube, namespace: str) -> None:
    message = refusal(governed, model_deployment(namespace, governance={"riskTier": "High"}))
    assert message.count("requirement high-risk") == 7


def test_what_is_older_than_the_policy_is_flagged_and_never_stopped(
    governed: Kube, kubectl: Kubectl, namespace: str
) -> None:
    """It can be edited, but not made worse; each write warns of all that it breaks."""
    old = good(namespace, model={"registry": SIGNED["registry"]}, governance={**HIGH, "riskTier": "Low"})
    made = governed.create(old)
    manifest = governance_policy(f"younger-{namespace}")
    manifest["spec"]["requirements"] = [{"name": "all", "riskTiers": ["Low"], "require": REQUIRE}]
    governed.create(manifest)
    fresh = copy.deepcopy(old)
    fresh["metadata"]["name"] = "fresh"
    eventually(lambda: "requirement all" in refusal(governed, fresh), what="the younger policy")
    governed.merge(made, {"spec": {"rollout": {"paused": True}}})
    with pytest.raises(
        Refused, match=r"requirement all of GovernancePolicy .*: write spec.fallback.replicas: 1 or more"
    ):
        governed.merge(made, {"spec": {"fallback": {"replicas": 0}}})
    patch = '{"spec": {"rollout": {"paused": false}}}'
    command = ("patch", "modeldeployment", "churn", "-n", namespace, "--type=merge", "-p", patch)
    assert (
        "Warning: Validation failed for ValidatingAdmissionPolicy 'viridian-governance-existing'"
        in kubectl.attempt(*command).stderr
    )
    governed.delete(manifest)
    eventually(lambda: refusal(governed, fresh) == "", what="the end of the younger policy")


def test_what_is_at_stake_is_lowered_by_who_has_the_right(governed: Kube, namespace: str) -> None:
    made = governed.create(good(namespace))
    editor = bound(governed, namespace, "mlops", "edit")
    approver = bound(governed, namespace, "risk", "viridian-approve")
    path = governed.path(API_VERSION, "ModelDeployment", namespace)
    for who in (editor, approver):
        eventually(partial(who.request, "GET", path), what="the rights")
    for change in ({"riskTier": "Medium"}, {"riskTier": None}, {"businessValue": "Low"}):
        with pytest.raises(Refused, match="ask somebody with the role viridian-approve"):
            editor.merge(made, {"spec": {"governance": change}})
    editor.merge(made, {"spec": {"governance": {"ticketRef": "ML-43"}}})
    approver.merge(made, {"spec": {"governance": {"riskTier": "Medium"}}})
    editor.merge(made, {"spec": {"governance": {"riskTier": "High"}}})


def test_the_policies_are_well_typed(governed: Kube) -> None:
    for name in POLICIES:
        assert eventually(partial(type_check, governed, name), what="the type check") == {}


def type_check(kube: Kube, name: str) -> Object | None:
    """What the API server finds wrong with the types of a policy, once it has looked."""
    found = kube.get("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name) or {}
    checked: Object | None = found.get("status", {}).get("typeChecking")
    return checked
