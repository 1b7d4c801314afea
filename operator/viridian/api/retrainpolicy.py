"""RetrainPolicy: when the model is to be looked at again, how a new one is made, and what it must beat."""

from __future__ import annotations

from typing import Annotated

import msgspec

from viridian.api import cel
from viridian.api.gate_spec import Gate
from viridian.api.names import MAX_MODEL_DEPLOYMENT_NAME
from viridian.api.run_stages import Data, Stages
from viridian.api.schema import Struct, doc, duration, named
from viridian.api.triggers import Trigger


class Budget(Struct, frozen=True, kw_only=True):
    """Bounds on what retraining may cost."""

    cooldown: Annotated[
        str, duration("Pause after a run before a schedule may start the next; manual runs do not wait.")
    ] = "0s"


class RunHistory(Struct, frozen=True, kw_only=True):
    runs: Annotated[int, doc("Finished runs that are remembered, and whose Jobs are kept.", ge=1, le=100)] = 10


class RetrainPolicySpec(Struct, frozen=True, kw_only=True):
    """The desired state."""

    model_deployment: Annotated[
        str,
        doc(
            "Name of the ModelDeployment in the same namespace whose model is retrained.",
            max_length=MAX_MODEL_DEPLOYMENT_NAME,
            rules=(cel.MODEL_DEPLOYMENT_STAYS, cel.label("churn")),
        ),
    ]
    suspend: Annotated[
        bool, doc("No schedule starts a run. An active run goes on, and a run that a person asks for starts.")
    ] = False
    triggers: Annotated[
        tuple[Trigger, ...],
        named("name", "Reasons to start a run. The annotation viridian.dev/run starts one by hand.", max_length=20),
    ] = ()
    data: Annotated[Data, doc("The data to train on.")] | None = None
    stages: Annotated[Stages, doc("What a run does.")]
    gate: Annotated[Gate, doc("What a candidate must show.")] = msgspec.field(default_factory=Gate)
    budget: Annotated[Budget, doc("Bounds on what retraining may cost.")] = msgspec.field(default_factory=Budget)
    history: Annotated[RunHistory, doc("What is kept.")] = msgspec.field(default_factory=RunHistory)
