"""Who served users before there was a ModelDeployment: a part of it."""

from __future__ import annotations

from typing import Annotated, Final

from viridian.api.cel import name_of
from viridian.api.schema import Rule, Struct, doc

DEPLOYMENT_NAME: Final = name_of("a Deployment in this namespace", "churn")
NOT_BY_GATEWAY: Final = Rule(
    rule="!has(self.predecessor) || self.traffic.provider != 'Gateway'",
    message="predecessor needs traffic.provider: Service, since the Service of that name is taken over: remove "
    "traffic, or remove predecessor",
    field_path=".predecessor",
)


class PredecessorSource(Struct, frozen=True, kw_only=True):
    """A Deployment that serves users through the Service with the name of this ModelDeployment.

    The Service is taken over as it is. No pod is restarted, and the operator never writes to the Deployment.
    """

    deployment: Annotated[str, doc("Name of the Deployment.", min_length=1, max_length=253, rules=(DEPLOYMENT_NAME,))]
