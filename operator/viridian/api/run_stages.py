"""The stages of a run, as a policy describes them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from viridian.api import cel, cel_data_checks, cel_gate, cel_resources, podtemplate
from viridian.api.data_checks import MAX_CHECKS, DataCheck
from viridian.api.schema import Rule, Struct, doc, duration
from viridian.api.stage_resource import StageResource


class Stage(Struct, frozen=True, kw_only=True):
    """One container that does one part of the work; the contract stands in docs/stages.md."""

    template: (
        Annotated[
            dict[str, Any],
            doc(
                "PodTemplateSpec of the Job. The first container does the work and gets Viridian's environment "
                "variables.",
                extra=podtemplate.whole(),
            ),
        ]
        | None
    ) = None
    timeout: Annotated[str, duration("How long the stage may take in all.", at_least="10s")] = "6h"
    backoff_limit: Annotated[
        int,
        doc(
            "Retries of a Job after an error; eviction and node loss do not count. A resource says its own retries.",
            ge=0,
            le=20,
        ),
    ] = 2
    spot: Annotated[
        bool, doc("Run on spot nodes where there are any: cheaper, and evicted at times. Keep checkpoints.")
    ] = False
    queue: (
        Annotated[
            str,
            doc(
                "LocalQueue of Kueue: the Job is made suspended and begins when it is admitted.",
                max_length=63,
                rules=(cel.QUEUE,),
            ),
        ]
        | None
    ) = None

    @property
    def resource(self) -> StageResource | None:
        """What does the work in the place of a Job; None for a stage that is always a Job."""
        return None


class StageOfAnyKind(Stage, frozen=True, kw_only=True):
    """A stage that a Job does the work of, or an object of another kind."""

    rules: ClassVar[tuple[Rule, ...]] = (cel_resources.WORK_IS_ONE, cel_resources.OF_PODS_ALONE)

    resource: (
        Annotated[
            StageResource,
            doc("An object of a Job-like kind such as RayJob or TrainJob does the work, in the place of a Job."),
        ]
        | None
    ) = None


class PreparingStage(StageOfAnyKind, frozen=True, kw_only=True):
    """A stage before training. Where nothing has changed that it works on, its earlier result counts."""

    cache: Annotated[
        bool,
        doc(
            "Do not run the stage where its template, data.revision and the stages before it are those of a run in "
            "which it ended well. With data.resolver the content that it has found counts in place of data.revision; "
            "without either the stage always runs."
        ),
    ] = True


class DataResolver(Stage, frozen=True, kw_only=True):
    """One container that reports {"data": {"uri", "revision", "digest"}}; the contract stands in docs/data.md."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    timeout: Annotated[str, duration("How long it may take in all.", at_least="10s")] = "10m"


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data to train on, passed to the stages as it is written here, or as its resolver finds it."""

    uri: Annotated[
        str,
        doc(
            "Where the data is: VIRIDIAN_DATA_URI in the container.",
            min_length=1,
            max_length=2048,
            rules=(cel.DATA_WITHOUT_USER,),
        ),
    ]
    revision: Annotated[str, doc("Which state of it: VIRIDIAN_DATA_REVISION.", max_length=256)] = ""
    resolver: (
        Annotated[
            DataResolver,
            doc(
                "Finds out which immutable state the address and the revision stand for now. Each run is given that "
                "state, and so are its model version and the trigger newData. {} resolves files, HTTP, Git and DVC."
            ),
        ]
        | None
    ) = None


class DataValidation(PreparingStage, frozen=True, kw_only=True):
    """Looks at the data before anything else does: by built-in checks, by a container, or by checks in its image."""

    rules: ClassVar[tuple[Rule, ...]] = (
        cel_data_checks.CHECKS_OR_TEMPLATE,
        cel_data_checks.CHECKS_RUN_IN_PODS,
        cel_resources.OF_PODS_ALONE,
    )

    checks: Annotated[
        tuple[DataCheck, ...],
        doc(
            "Built-in checks. They run in the trainer image, or as the first container of the template where there is "
            "one: its image then holds the package viridian.",
            max_length=MAX_CHECKS,
        ),
    ] = ()


class EvaluatedHoldout(Struct, frozen=True, kw_only=True):
    """Rows that no model was trained on, with the true outcome beside the features."""

    uri: Annotated[
        str,
        doc(
            "Parquet or CSV: a file of the pod, https://…, or an address that MLflow downloads.",
            min_length=1,
            max_length=2048,
            rules=(cel.DATA_WITHOUT_USER,),
        ),
    ]
    label: Annotated[str, doc("Column of the true outcome.", min_length=1, max_length=250)]
    digest: (
        Annotated[
            str,
            doc(
                "The rows that are meant, as the tag viridian.holdout of a run shows them. Others are not judged by.",
                max_length=71,
                rules=(cel_gate.HOLDOUT_DIGEST,),
            ),
        ]
        | None
    ) = None


class EvaluationStage(StageOfAnyKind, frozen=True, kw_only=True):
    """Measures candidate and champion: by the built-in evaluation, by a container, or by both in one image."""

    rules: ClassVar[tuple[Rule, ...]] = (
        cel_gate.HOLDOUT_OR_TEMPLATE,
        cel_gate.EVALUATION_RUNS_IN_PODS,
        cel_resources.OF_PODS_ALONE,
    )

    holdout: (
        Annotated[
            EvaluatedHoldout,
            doc(
                "Rows for the built-in evaluation. It runs in the trainer image, or as the first container of the "
                "template where there is one: its image then holds the package viridian."
            ),
        ]
        | None
    ) = None


class Stages(Struct, frozen=True, kw_only=True):
    """In the order in which they run: each begins when the one before it has ended well."""

    data_validation: (
        Annotated[DataValidation, doc("Looks at the data: exit code 64 stops the run before it costs more.")] | None
    ) = None
    features: Annotated[PreparingStage, doc("Makes features of the data.")] | None = None
    training: Annotated[StageOfAnyKind, doc("Trains a candidate and logs it to the MLflow run it is given.")]
    evaluation: (
        Annotated[
            EvaluationStage, doc("Measures candidate and champion; what it reports joins what training reported.")
        ]
        | None
    ) = None
    tests: (
        Annotated[StageOfAnyKind, doc("Tests of the candidate, such as a pytest suite: exit code 1 or 65 rejects it.")]
        | None
    ) = None
