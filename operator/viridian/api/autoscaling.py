"""How the pods of a slot follow its load: by an autoscaler that the operator makes, or by somebody else's."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from viridian.api.schema import Rule, Struct, doc

CPU_UTILIZATION: Final = 70
"""What an autoscaler aims at where the spec does not say."""


class Scaler(StrEnum):
    """Who changes the number of pods with their load."""

    HORIZONTAL_POD_AUTOSCALER = "HorizontalPodAutoscaler"
    EXTERNAL = "External"


class Autoscaling(Struct, frozen=True, kw_only=True):
    """Between which numbers the pods of a slot follow its load. `server.replicas` is the least.

    No field has a default: what the API server adds would stay behind when somebody who applied this takes it out.
    """

    max_replicas: Annotated[int, doc("Pods of a slot at most.", ge=1, le=1000)]
    cpu_utilization: (
        Annotated[
            int,
            doc(
                "Average use of CPU that the autoscaler aims at, in percent of what the container `server` requests. "
                f"Left out: {CPU_UTILIZATION}.",
                ge=1,
                le=1000,
            ),
        ]
        | None
    ) = None
    scaler: (
        Annotated[
            Scaler,
            doc(
                "HorizontalPodAutoscaler: the operator makes one for each slot. External: somebody else scales the "
                "Deployments of the slots, for instance KEDA; the operator only raises them before a challenger gets "
                "more traffic. Left out: HorizontalPodAutoscaler."
            ),
        ]
        | None
    ) = None


MOST_IS_NOT_BELOW_LEAST: Final = Rule(
    rule="!has(self.autoscaling) || self.autoscaling.maxReplicas >= self.replicas",
    message="autoscaling.maxReplicas is below replicas, which is the least: raise maxReplicas, or lower replicas",
    field_path=".autoscaling.maxReplicas",
)
EXTERNAL_NEEDS_A_GATEWAY: Final = Rule(
    rule=(
        "!has(self.server.autoscaling) || !has(self.server.autoscaling.scaler) || "
        "self.server.autoscaling.scaler != 'External' || self.traffic.provider == 'Gateway'"
    ),
    message=(
        "scaler: External needs traffic.provider: Gateway, since the numbers of pods make the weights elsewhere; or "
        "remove autoscaling and let the scaler act on the ModelDeployment, whose scale is server.replicas"
    ),
    field_path=".server.autoscaling.scaler",
)
