"""A stage that an object of another kind does the work of, such as a RayJob: its manifest, and how its end is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from viridian.api import cel_resources
from viridian.api.schema import PRESERVE_UNKNOWN, VALIDATIONS, Struct, doc

MAX_FIELDS: Final = 64
"""Fields of an object beside `spec`."""


class StatusValue(Struct, frozen=True, kw_only=True):
    """A field of the object's status, and values of it."""

    path: Annotated[
        str,
        doc(
            "Where the value is: status.jobStatus, or status.conditions[type=Complete].status.",
            max_length=256,
            rules=(cel_resources.STATUS_PATH,),
        ),
    ]
    values: Annotated[
        tuple[Annotated[str, doc("A value, as text.", max_length=256)], ...],
        doc("Any of these.", min_length=1, max_length=16),
    ]


Ending = Annotated[tuple[StatusValue, ...], doc("Any of these.", min_length=1, max_length=8)]


def _manifest_schema() -> dict[str, Any]:
    text = {"type": "string", "maxLength": 253}
    return {
        "type": "object",
        PRESERVE_UNKNOWN: True,
        "maxProperties": MAX_FIELDS,
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"description": "Group and version, such as ray.io/v1.", **text},
            "kind": {"description": "Kind, such as RayJob.", **text},
            "metadata": {
                "description": "Labels and annotations; name and namespace are Viridian's.",
                "type": "object",
                PRESERVE_UNKNOWN: True,
                "maxProperties": MAX_FIELDS,
                # CEL sees fields that are declared, and no others.
                "properties": {
                    name: {"description": "Viridian's: leave it out.", **text}
                    for name in ("name", "namespace", "generateName")
                },
            },
        },
        VALIDATIONS: [cel_resources.GROUPED.render(), cel_resources.NAMELESS.render()],
    }


class StageResource(Struct, frozen=True, kw_only=True):
    """An object of a Job-like kind that the operator may make: its `training.resources`."""

    manifest: Annotated[
        dict[str, Any],
        doc(
            "The whole object but for its name. Each stage makes one, and the run's variables are added to it.",
            extra=_manifest_schema(),
        ),
    ]
    success: (
        Annotated[
            tuple[StatusValue, ...],
            doc("It has ended well where any of these holds. Known kinds need none.", min_length=1, max_length=8),
        ]
        | None
    ) = None
    failure: (
        Annotated[
            tuple[StatusValue, ...],
            doc("It has failed where any of these holds. Known kinds need none.", min_length=1, max_length=8),
        ]
        | None
    ) = None
    variables: Annotated[
        tuple[
            Annotated[str, doc("Path of a list.", max_length=256, rules=(cel_resources.SPEC_PATH,))],
            ...,
        ],
        doc(
            "Lists of {name, value} in the manifest that Viridian's variables are added to, such as spec.trainer.env. "
            "Containers in pod templates get them in any case.",
            max_length=16,
        ),
    ] = ()

    @property
    def kind(self) -> tuple[str, str]:
        """apiVersion and kind."""
        return str(self.manifest.get("apiVersion", "")), str(self.manifest.get("kind", ""))


def _condition(kind: str, value: str = "True") -> StatusValue:
    return StatusValue(path=f"status.conditions[type={kind}].status", values=(value,))


def _field(path: str, *values: str) -> StatusValue:
    return StatusValue(path=path, values=values)


KNOWN_ENDINGS: Final[Mapping[tuple[str, str], tuple[tuple[StatusValue, ...], tuple[StatusValue, ...]]]] = {
    ("ray.io", "RayJob"): (
        (_field("status.jobStatus", "SUCCEEDED"),),
        # A job that is tried again has jobStatus FAILED in between.
        (_field("status.jobDeploymentStatus", "Failed"), _field("status.jobStatus", "STOPPED")),
    ),
    ("trainer.kubeflow.org", "TrainJob"): ((_condition("Complete"),), (_condition("Failed"),)),
    ("kubeflow.org", "PyTorchJob"): ((_condition("Succeeded"),), (_condition("Failed"),)),
    ("argoproj.io", "Workflow"): ((_field("status.phase", "Succeeded"),), (_field("status.phase", "Failed", "Error"),)),
    ("tekton.dev", "PipelineRun"): ((_condition("Succeeded"),), (_condition("Succeeded", "False"),)),
}
"""Group and kind to success and failure, as these projects document the status of their kinds."""
KNOWN_VARIABLES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("trainer.kubeflow.org", "TrainJob"): ("spec.trainer.env",),
}
"""Lists of variables that are not in a pod template."""


def endings_of(resource: StageResource) -> tuple[tuple[StatusValue, ...], tuple[StatusValue, ...]]:
    """How success and failure show: as written, else as known of the kind; empty where neither is."""
    api_version, kind = resource.kind
    known = KNOWN_ENDINGS.get((api_version.rpartition("/")[0], kind), ((), ()))
    return resource.success or known[0], resource.failure or known[1]


def variable_lists(resource: StageResource) -> tuple[str, ...]:
    """Paths of the lists that get the variables."""
    api_version, kind = resource.kind
    return resource.variables or KNOWN_VARIABLES.get((api_version.rpartition("/")[0], kind), ())
