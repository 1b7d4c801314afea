"""Governance: what a model is worth and risks, and what must hold for models of that kind."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from viridian.api.gate_spec import GateRule
from viridian.api.schema import Rule, Struct, doc, duration, named
from viridian.api.workflow import Workflow

MAX_REQUIREMENTS: Final = 20


class Tier(StrEnum):
    """How much is at stake."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


TICKET: Final = Rule(
    rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._/#:-]*$')",
    message="write the key of a ticket, such as ML-42: letters, digits and . _ / # : -",
)


class Governance(Struct, frozen=True, kw_only=True):
    """What is at stake. GovernancePolicies of the cluster demand something of objects by these values."""

    risk_tier: Annotated[Tier, doc("What a wrong prediction may cause.")] | None = None
    business_value: Annotated[Tier, doc("What the model is worth.")] | None = None
    ticket_ref: (
        Annotated[
            str,
            doc(
                "The ticket under which the model is run: the tag viridian.ticket of its versions.",
                max_length=63,
                rules=(TICKET,),
            ),
        ]
        | None
    ) = None


class Demands(Struct, frozen=True, kw_only=True):
    """What an object must have. Of a ModelDeployment and of a RetrainPolicy, those that apply to it."""

    risk_tier: Annotated[bool, doc("spec.governance.riskTier is set.")] | None = None
    ticket: Annotated[bool, doc("spec.governance.ticketRef is set.")] | None = None
    signature: Annotated[bool, doc("ModelDeployment: only versions with a trusted signature are served.")] | None = None
    approval: Annotated[bool, doc("ModelDeployment: a person approves each rollout.")] | None = None
    trial_requests: (
        Annotated[
            int,
            doc(
                "ModelDeployment: in some step the challenger answers so many requests beside the champion.",
                ge=1,
                le=1_000_000_000,
            ),
        ]
        | None
    ) = None
    metrics: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=63)], ...],
        doc("ModelDeployment: metrics that have a bound in every rollout, such as error-rate.", max_length=10),
    ] = ()
    fallback: Annotated[bool, doc("ModelDeployment: the former champion is kept warm.")] | None = None
    feedback: Annotated[bool, doc("ModelDeployment: predictions are joined with their outcomes.")] | None = None
    monitoring: Annotated[bool, doc("ModelDeployment: the champion is watched.")] | None = None
    review_every: (
        Annotated[str, duration("ModelDeployment: people review it at least so often.", at_least="1d")] | None
    ) = None
    training_approval: Annotated[bool, doc("RetrainPolicy: a person approves each run before it begins.")] | None = None
    gate_approval: Annotated[bool, doc("RetrainPolicy: a person approves each hand-over.")] | None = None
    workflows: Annotated[
        tuple[Workflow, ...],
        doc("RetrainPolicy: a workflow is named, and is one of these.", max_length=3),
    ] = ()
    gate_rule: (
        Annotated[GateRule, doc("RetrainPolicy: the gate compares candidates by this rule or a stricter one.")] | None
    ) = None


class GovernanceRequirement(Struct, frozen=True, kw_only=True):
    """Demands on objects by what is at stake."""

    name: Annotated[str, doc("Name of the requirement; refusals and warnings have it.", min_length=1, max_length=63)]
    risk_tiers: Annotated[
        tuple[Tier, ...], doc("Objects of these risk tiers. None: of every tier, and without one.", max_length=3)
    ] = ()
    business_values: Annotated[
        tuple[Tier, ...], doc("Objects of these business values. None: of every value.", max_length=3)
    ] = ()
    require: Annotated[Demands, doc("What such objects must have.")]


class GovernancePolicySpec(Struct, frozen=True, kw_only=True):
    """What is demanded. All requirements that apply to an object count, of all GovernancePolicies."""

    requirements: Annotated[
        tuple[GovernanceRequirement, ...],
        named("name", "Demands by what is at stake.", min_length=1, max_length=MAX_REQUIREMENTS),
    ]
