"""The ValidatingAdmissionPolicies that hold objects to GovernancePolicies: what component `governance` installs.

`python -m viridian.api.governance_admission [folder]` writes the file; a test fails when it differs.

Two policies ask the same. The first refuses a write that would break a requirement which the stored object keeps. What
was broken before may stay, so an object that is older than a requirement can still be edited. The second warns of every
requirement that an object breaks, and notes it in the audit log.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viridian.api.crd import to_yaml
from viridian.api.gate_spec import GateRule
from viridian.api.governance import Tier
from viridian.api.names import API_VERSION, GOVERNANCE_POLICY, GROUP, MODEL_DEPLOYMENT, RETRAIN_POLICY, VERSION
from viridian.api.schema import seconds

FILE: Final = "policies.yaml"
REFUSES: Final = "viridian-governance"
WARNS: Final = "viridian-governance-existing"
HEADER: Final = (
    "# Written by `python -m viridian.api.governance_admission` from operator/viridian/api/governance_admission.py: "
    "edit that.\n"
)


@dataclass(frozen=True, slots=True)
class Demand:
    """One field of `Demands`: CEL over the requirement `r` and the object `one`."""

    kind: str
    """Empty for both kinds."""
    made: str
    """Whether it is demanded."""
    kept: str
    """Whether the object has it."""
    advice: str
    """A CEL text: what to write."""


def _flag(name: str) -> str:
    return f"has(r.require.{name}) && r.require.{name}"


RULES: Final = [rule.value for rule in (GateRule.THRESHOLDS, GateRule.NON_INFERIOR, GateRule.SUPERIOR)]
"""The laxest first."""
_METRICS: Final = "r.require.metrics.filter(name, !one.spec.rollout.analysis.metrics.exists(m, m.name == name))"
DEMANDS: Final = (
    Demand(
        "",
        _flag("riskTier"),
        "has(one.spec.governance) && has(one.spec.governance.riskTier)",
        "'spec.governance.riskTier: Low, Medium or High'",
    ),
    Demand(
        "",
        _flag("ticket"),
        "has(one.spec.governance) && has(one.spec.governance.ticketRef)",
        "'spec.governance.ticketRef: the ticket of the model'",
    ),
    Demand(
        MODEL_DEPLOYMENT,
        _flag("signature"),
        "has(one.spec.model.signature) && one.spec.model.signature.required",
        "'spec.model.signature with required: true'",
    ),
    Demand(
        MODEL_DEPLOYMENT,
        _flag("approval"),
        "one.spec.rollout.steps.exists(step, has(step.approval))",
        "'a step with approval: {} in spec.rollout.steps'",
    ),
    Demand(
        MODEL_DEPLOYMENT,
        "has(r.require.trialRequests)",
        "one.spec.rollout.steps.exists(step, has(step.weight) && step.weight < 100 && "
        "step.minRequests >= r.require.trialRequests)",
        "'a step in spec.rollout.steps with a weight below 100 and minRequests: ' + string(r.require.trialRequests)",
    ),
    Demand(
        MODEL_DEPLOYMENT,
        "true",
        f"{_METRICS}.size() == 0",
        f"'bounds in spec.rollout.analysis.metrics for ' + {_METRICS}.join(', ')",
    ),
    Demand(
        MODEL_DEPLOYMENT,
        _flag("fallback"),
        "one.spec.fallback.replicas > 0",
        "'spec.fallback.replicas: 1 or more'",
    ),
    Demand(MODEL_DEPLOYMENT, _flag("feedback"), "has(one.spec.feedback)", "'spec.feedback: {}'"),
    Demand(MODEL_DEPLOYMENT, _flag("monitoring"), "has(one.spec.monitoring)", "'spec.monitoring: {}'"),
    Demand(
        MODEL_DEPLOYMENT,
        "has(r.require.reviewEvery)",
        f"has(one.spec.review) && {seconds('one.spec.review.every')} <= {seconds('r.require.reviewEvery')}",
        "'spec.review.every: ' + r.require.reviewEvery",
    ),
    Demand(
        RETRAIN_POLICY,
        _flag("trainingApproval"),
        "one.spec.approval.training == 'Required'",
        "'spec.approval.training: Required'",
    ),
    Demand(
        RETRAIN_POLICY,
        _flag("gateApproval"),
        "has(one.spec.gate.approval) && one.spec.gate.approval == 'Required'",
        "'spec.gate.approval: Required'",
    ),
    Demand(
        RETRAIN_POLICY,
        "r.require.workflows.size() > 0",
        "has(one.spec.workflow) && one.spec.workflow in r.require.workflows && "
        "(!has(one.spec.workflowAfterFirstPromotion) || one.spec.workflowAfterFirstPromotion in r.require.workflows)",
        "'spec.workflow: ' + r.require.workflows.join(' or ')",
    ),
    Demand(
        RETRAIN_POLICY,
        "has(r.require.gateRule)",
        f"{RULES}.indexOf(one.spec.gate.rule) >= {RULES}.indexOf(r.require.gateRule)",
        "'spec.gate.rule: ' + r.require.gateRule",
    ),
)


def _stake(field: str) -> str:
    return f"(has(one.spec.governance) && has(one.spec.governance.{field}) ? one.spec.governance.{field} : '')"


def _broken() -> str:
    """For each version of the object, the new one first, what it breaks of each requirement, as texts."""
    applies = " && ".join(
        f"(r.{field}.size() == 0 || {_stake(stake)} in r.{field})"
        for field, stake in (("riskTiers", "riskTier"), ("businessValues", "businessValue"))
    )
    texts = " + ".join(_text(demand) for demand in DEMANDS)
    return (
        "[dyn(object), dyn(oldObject)].map(one, one == null ? [] : "
        f"params.spec.requirements.filter(r, {applies}).map(r, {texts}))"
    )


def _text(demand: Demand) -> str:
    of_kind = f"one.kind == '{demand.kind}' && " if demand.kind else ""
    named = f"'requirement ' + r.name + ' of {GOVERNANCE_POLICY} ' + params.metadata.name"
    return f"({of_kind}{demand.made} && !({demand.kept}) ? [{named} + ': write ' + {demand.advice}] : [])"


_LEVELS: Final = [tier.value for tier in Tier]
_LOWERED: Final = (
    "oldObject == null ? [] : ['riskTier', 'businessValue'].filter(field, "
    f"{_LEVELS}.indexOf(variables.stakes[0][field]) < {_LEVELS}.indexOf(variables.stakes[1][field]))"
)
_STAKES: Final = (
    "[dyn(object), dyn(oldObject)].map(one, {"
    + ", ".join(
        f"'{field}': one != null && has(one.spec.governance) && has(one.spec.governance.{field}) ? "
        f"one.spec.governance.{field} : ''"
        for field in ("riskTier", "businessValue")
    )
    + "})"
)
_LOWERING: Final = (
    "'spec.governance.' + variables.lowered.join(' and spec.governance.') + ' decides what is demanded. "
    "To lower it takes the right to update ' + request.resource.resource + '/governance in ' + request.namespace + "
    "', which ' + request.userInfo.username + ' does not have: ask somebody with the role viridian-approve'"
)
_MAY_LOWER: Final = (
    f"authorizer.group('{GROUP}').resource(request.resource.resource).subresource('governance')"
    ".namespace(request.namespace).name(object.metadata.name).check('update').allowed()"
)


def manifests() -> tuple[dict[str, Any], ...]:
    """The two policies with their bindings."""
    fresh = (
        "variables.broken[0].map(texts, texts.filter(text, !variables.broken[1].exists(before, text in before))"
        ".join('; ')).filter(text, text != '')"
    )
    refuses = _policy(
        REFUSES,
        [("broken", _broken()), ("fresh", fresh), ("stakes", _STAKES), ("lowered", _LOWERED)],
        [
            ("variables.fresh.size() == 0", "variables.fresh.join('; ')"),
            (
                f"variables.lowered.size() == 0 || {_MAY_LOWER}",
                _LOWERING,
            ),
        ],
    )
    everything = "variables.broken[0].map(texts, texts.join('; ')).filter(text, text != '')"
    warns = _policy(
        WARNS,
        [("broken", _broken()), ("everything", everything)],
        [("variables.everything.size() == 0", "variables.everything.join('; ')")],
    )
    return refuses, _binding(REFUSES, ["Deny"]), warns, _binding(WARNS, ["Warn", "Audit"])


def _policy(name: str, variables: Sequence[tuple[str, str]], validations: Sequence[tuple[str, str]]) -> dict[str, Any]:
    constraints = {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": [VERSION],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["modeldeployments", "retrainpolicies"],
                "scope": "*",
            }
        ],
    }
    return {
        **_head("ValidatingAdmissionPolicy", name),
        "spec": {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": API_VERSION, "kind": GOVERNANCE_POLICY},
            "matchConstraints": constraints,
            # What is being deleted only loses its finalizers.
            "matchConditions": [{"name": "not-deleted", "expression": "!has(object.metadata.deletionTimestamp)"}],
            "variables": [{"name": name, "expression": expression} for name, expression in variables],
            "validations": [
                {"expression": expression, "reason": "Forbidden", "messageExpression": message}
                for expression, message in validations
            ],
        },
    }


def _binding(name: str, actions: Sequence[str]) -> dict[str, Any]:
    return {
        **_head("ValidatingAdmissionPolicyBinding", name),
        "spec": {
            "policyName": name,
            # Every GovernancePolicy; without one nothing is demanded.
            "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"},
            "validationActions": list(actions),
        },
    }


def _head(kind: str, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": "viridian"}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name, "labels": labels}}


def text() -> str:
    """The file."""
    documents = (to_yaml(one).split("\n", 1)[1] for one in manifests())
    return HEADER + "---\n".join(documents)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "manifests/components/governance")
    (folder / FILE).write_text(text())


if __name__ == "__main__":
    main()
