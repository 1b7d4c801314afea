"""RetrainPolicy: when the model is to be looked at again, how a new one is made, and what it must beat."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from viridian.api import cel
from viridian.api.automation import Blackout, Budget, CircuitBreaker, Mode, Rechecks, RunApproval
from viridian.api.cel_data_checks import NAMED_DATA, RESOLVER_FOR_NEW_DATA
from viridian.api.default_resources import DefaultResources
from viridian.api.gate_spec import Gate
from viridian.api.governance import Governance
from viridian.api.lineage import Audit
from viridian.api.names import MAX_MODEL_DEPLOYMENT_NAME
from viridian.api.objective import Objective, WatchedEdit
from viridian.api.run_stages import Data, Stages
from viridian.api.run_storage import Storage
from viridian.api.schema import Rule, Struct, distinct, doc, named
from viridian.api.triggers import Trigger
from viridian.api.workflow import AFTER_NEEDS_WORKFLOW, Workflow


class RunHistory(Struct, frozen=True, kw_only=True):
    runs: Annotated[int, doc("Finished runs that are remembered, and whose Jobs are kept.", ge=1, le=100)] = 10


class RetrainPolicySpec(Struct, frozen=True, kw_only=True):
    """The desired state."""

    rules: ClassVar[tuple[Rule, ...]] = (AFTER_NEEDS_WORKFLOW, NAMED_DATA, RESOLVER_FOR_NEW_DATA)

    model_deployment: Annotated[
        str,
        doc(
            "Name of the ModelDeployment in the same namespace whose model is retrained.",
            max_length=MAX_MODEL_DEPLOYMENT_NAME,
            rules=(cel.MODEL_DEPLOYMENT_STAYS, cel.label("churn")),
        ),
    ]
    workflow: (
        Annotated[
            Workflow,
            doc(
                "A named set of defaults for fields that are left out, such as budget.cooldown. Linear: seldom. "
                "Iterative: by the calendar and by monitors. Agile: with each batch. Left out: none of them."
            ),
        ]
        | None
    ) = None
    workflow_after_first_promotion: (
        Annotated[Workflow, doc("The workflow once a version of the model serves users; until then `workflow`.")] | None
    ) = None
    governance: (
        Annotated[
            Governance,
            doc("What is at stake, as in the ModelDeployment; a GovernancePolicy may demand something by it."),
        ]
        | None
    ) = None
    suspend: Annotated[
        bool, doc("No schedule starts a run. An active run goes on, and a run that a person asks for starts.")
    ] = False
    mode: Annotated[
        Mode,
        doc(
            "Automatic: runs start when they are due. Recommend: status.recommended shows the run that is due, and the "
            "annotation viridian.dev/accept with its id starts it. Observe: nothing is written but status and Events."
        ),
    ] = Mode.AUTOMATIC
    approval: Annotated[RunApproval, doc("What a person has to approve before a run begins.")] = msgspec.field(
        default_factory=RunApproval
    )
    triggers: Annotated[
        tuple[Trigger, ...],
        named("name", "Reasons to start a run. The annotation viridian.dev/run starts one by hand.", max_length=20),
    ] = ()
    data: Annotated[Data, doc("The data to train on.")] | None = None
    objective: Annotated[Objective, doc("What the model is trained for.")] | None = None
    run_on_change: Annotated[
        tuple[WatchedEdit, ...],
        distinct(
            "Edits of this policy that start a run by themselves. Objective: another labelDefinition or other metrics "
            "than those of the newest run. Runtime: another training image. Server: the ModelDeployment is served by "
            "another image; an upgrade of the operator changes that of all models at once. An empty list: none.",
            max_length=3,
        ),
    ] = (WatchedEdit.OBJECTIVE, WatchedEdit.RUNTIME)
    stages: Annotated[Stages, doc("What a run does.")]
    default_resources: (
        Annotated[DefaultResources, doc("CPUs and memory of containers of stages that write none.")] | None
    ) = None
    storage: Annotated[Storage, doc("A volume for each run. Left out: runs ask for none.")] | None = None
    gate: Annotated[Gate, doc("What a candidate must show.")] = msgspec.field(default_factory=Gate)
    budget: Annotated[Budget, doc("Bounds on what retraining may cost.")] = msgspec.field(default_factory=Budget)
    data_quality: Annotated[Rechecks, doc("How a pause for bad data ends by itself.")] = msgspec.field(
        default_factory=Rechecks
    )
    circuit_breaker: Annotated[CircuitBreaker, doc("Stops triggers when candidates are rejected in a row.")] | None = (
        None
    )
    blackouts: Annotated[
        tuple[Blackout, ...], doc("Windows in which no trigger starts a run; a person may.", max_length=10)
    ] = ()
    audit: Annotated[
        Audit,
        doc(
            "Record: what a version was made from is recorded as far as it is known. Strict: a version is not handed "
            "over unless its data, code, image, parameters and model are known by identities that never change."
        ),
    ] = Audit.RECORD
    history: Annotated[RunHistory, doc("What is kept.")] = msgspec.field(default_factory=RunHistory)
