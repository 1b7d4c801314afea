"""Tools that teams use beside the operator: their state, when it was checked, and how each of them is connected.

docs/tools.md is written from this table. A statement about another project is true of the day on which it was checked
and of no later one, so every row has its date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

CHECK_AGAIN_AFTER: Final = timedelta(days=91)
"""A quarter. A statement that is older may not be true any more."""
_FIRST: Final = date(2026, 11, 23)


class ToolState(StrEnum):
    """How a tool is."""

    MAINTAINED = "maintained"
    NEW_OWNER = "new owner"
    AGEING = "ageing"
    CLOSED = "closed"


class Basis(StrEnum):
    """What the state rests on."""

    MEASURED = "measured"
    """The software was run."""
    DOCUMENTED = "documented"
    """Its own documentation, source or package metadata."""
    REPORTED = "reported"
    """What others write."""


class ToolConnection(StrEnum):
    """How far the connection was tried."""

    TESTED = "tested"
    """A test runs against the software itself."""
    SHAPE_TESTED = "shape tested"
    """A test runs against its published interface, and not against the software."""
    NOT_TESTED = "not tested"
    """It follows from a contract that is tested with something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTool:
    """One row."""

    name: str
    state: ToolState
    basis: Basis
    way_in: str
    connection: ToolConnection
    untried: str = ""
    """What no test of the connection has run, and why; empty where the whole of it has run. A link starts in docs/."""
    marks: tuple[str, ...] = ()
    """Lower-case parts of images, addresses and names of variables by which an object shows that it uses the tool."""
    checked: date = _FIRST
    advice: str = ""
    """What to do; empty where nothing is to be done."""

    def finding(self, today: date) -> str:
        """What a review has to look at; empty where nothing is to be done."""
        if self.advice:
            return self.advice
        old = today - self.checked >= CHECK_AGAIN_AFTER
        return f"checked on {self.checked}: see whether it is still {self.state}" if old else ""


_CONTAINER: Final = "any container as a stage"
_ANNOTATION: Final = "annotates the RetrainPolicy, or sends a CloudEvent to the receiver"
_PIPELINE: Final = "`kubectl viridian wait` in a pipeline: `examples/stack/{}`"
_RESOURCE: Final = "a stage by `resource`"


def _maintained(name: str, way_in: str, connection: ToolConnection, *marks: str, untried: str = "") -> KnownTool:
    return KnownTool(
        name=name,
        state=ToolState.MAINTAINED,
        basis=Basis.MEASURED if connection is ToolConnection.TESTED else Basis.DOCUMENTED,
        way_in=way_in,
        connection=connection,
        untried=untried,
        marks=marks,
    )


def _orchestrator(name: str) -> KnownTool:
    """Either side can lead."""
    mark = name.lower()
    way_in = f"asks for runs by annotation or CloudEvent; a stage starts its work: `examples/stack/{mark}`"
    return _maintained(name, way_in, ToolConnection.TESTED, mark)


KNOWN_TOOLS: Final = (
    _maintained("MLflow", "registry, runs and webhooks", ToolConnection.TESTED, "mlflow"),
    _maintained("Git", "`data.uri: git+…`", ToolConnection.TESTED, "git+"),
    _maintained("Argo CD", "health and actions in Lua (`manifests/argocd`)", ToolConnection.TESTED),
    _maintained("Flux", "conditions as kstatus reads them", ToolConnection.TESTED),
    _maintained("Velero", "restored objects are adopted", ToolConnection.SHAPE_TESTED),
    KnownTool(
        name="DVC",
        state=ToolState.NEW_OWNER,
        basis=Basis.REPORTED,
        way_in="`data.uri: dvc+…`",
        connection=ToolConnection.TESTED,
        marks=("dvc+",),
    ),
    _maintained(
        "lakeFS",
        "`data.uri: lakefs://…`",
        ToolConnection.SHAPE_TESTED,
        "lakefs",
        untried="a lakeFS server: no registry of packages has one, and the Go proxy does not hand out its module",
    ),
    _maintained(
        "Quilt",
        "`data.uri: quilt+s3://…`",
        ToolConnection.TESTED,
        "quilt",
        untried="Amazon S3, which is a service, and the catalog: versitygw, another S3 server, has the bucket",
    ),
    _maintained(
        "S3",
        "`data.uri: s3://…`",
        ToolConnection.TESTED,
        "s3://",
        untried="Amazon S3, which is a service: versitygw, another S3 server, has the bucket",
    ),
    _maintained("Feast", "a stage, by `examples/stack/feast`", ToolConnection.TESTED, "feast"),
    KnownTool(
        name="Tecton",
        state=ToolState.CLOSED,
        basis=Basis.REPORTED,
        way_in="containers of your own, by `examples/stack/tecton`",
        connection=ToolConnection.NOT_TESTED,
        untried="all of it: the service is closed software, and its client asks for a login before all else",
        marks=("tecton",),
        advice="taken over by Databricks; move the features to a store that is maintained, such as Feast",
    ),
    _maintained(
        "SageMaker Feature Store",
        "containers of your own, by `examples/stack/sagemaker-feature-store`",
        ToolConnection.NOT_TESTED,
        "sagemaker",
        untried="all of it: the service runs at AWS and nowhere else, and the mock that there is keeps no records",
    ),
    KnownTool(
        name="Weights & Biases",
        state=ToolState.NEW_OWNER,
        basis=Basis.REPORTED,
        way_in="inside the training Job, offline: `examples/stack/weights-and-biases`",
        connection=ToolConnection.TESTED,
        untried="its service, which is closed software: the run stays a folder that `wandb sync` would upload",
        marks=("wandb",),
    ),
    KnownTool(
        name="Neptune.ai",
        state=ToolState.CLOSED,
        basis=Basis.DOCUMENTED,
        way_in="none",
        connection=ToolConnection.NOT_TESTED,
        untried="all of it: the service has ended, and its client has nothing to send to; "
        "[what was exported moves to MLflow](neptune.md)",
        marks=("neptune",),
        advice="the service has ended and its data is deleted; neptune-exporter moves exported runs to MLflow",
    ),
    _maintained(
        "Comet",
        "inside the training Job, offline: `examples/stack/comet`",
        ToolConnection.TESTED,
        *("comet_", "comet-ml", "comet_ml"),
        untried="its service, which is closed software: the experiment stays a file that `comet upload` would send",
    ),
    _orchestrator("Airflow"),
    _orchestrator("Prefect"),
    _orchestrator("Dagster"),
    _maintained("KubeRay", _RESOURCE, ToolConnection.SHAPE_TESTED, "ray.io"),
    _maintained("Kubeflow Trainer", _RESOURCE, ToolConnection.SHAPE_TESTED, "trainer.kubeflow.org"),
    _maintained("Prometheus", "triggers by `query`, and the operator's own metrics", ToolConnection.SHAPE_TESTED),
    _maintained("Alertmanager", "webhooks to the receiver; issues of Jira", ToolConnection.TESTED, "alertmanager"),
    _maintained("Evidently", "a stage, by `examples/stack/evidently`", ToolConnection.TESTED, "evidently"),
    KnownTool(
        name="Great Expectations",
        state=ToolState.NEW_OWNER,
        basis=Basis.DOCUMENTED,
        way_in="any container as a stage, with `viridian.training.expectations`",
        connection=ToolConnection.TESTED,
        marks=("great_expectations", "great-expectations"),
    ),
    KnownTool(
        name="whylogs",
        state=ToolState.AGEING,
        basis=Basis.MEASURED,
        way_in="a stage, by `examples/stack/whylogs`",
        connection=ToolConnection.TESTED,
        marks=("whylogs", "whylabs"),
        advice="its platform has ended, and it needs numpy below 2; use the built-in checks and monitors",
    ),
    _maintained(
        "Arize",
        "a stage, by `examples/stack/arize`",
        ToolConnection.TESTED,
        "arize",
        untried="its service, which is closed software: a listener took what its client sent",
    ),
    _maintained("pytest", "the stage `tests`", ToolConnection.TESTED, "pytest"),
    _maintained(
        "Jenkins",
        _PIPELINE.format("jenkins"),
        ToolConnection.SHAPE_TESTED,
        "jenkins",
        untried="Jenkins itself: no registry of packages has it. Groovy runs the file, and npm-groovy-lint checks it",
    ),
    _maintained(
        "GitLab CI",
        _PIPELINE.format("gitlab-ci"),
        ToolConnection.SHAPE_TESTED,
        "gitlab",
        untried="GitLab and its runner: gitlab-ci-local runs the file",
    ),
    _maintained(
        "GitHub Actions",
        _PIPELINE.format("github-actions"),
        ToolConnection.SHAPE_TESTED,
        untried="GitHub, which is a service: act runs the workflow",
    ),
    _maintained(
        "Jira",
        "Alertmanager's `jira_configs`: `examples/stack/jira`",
        ToolConnection.SHAPE_TESTED,
        "jira",
        untried="Jira, which is closed software: Alertmanager sends to a server with the published shape of its API",
    ),
    KnownTool(
        name="jiralert",
        state=ToolState.CLOSED,
        basis=Basis.DOCUMENTED,
        way_in="none",
        connection=ToolConnection.NOT_TESTED,
        marks=("jiralert",),
        advice="it is archived; use the jira_configs of Alertmanager",
    ),
)


def tools_named_in(texts: Sequence[str]) -> Iterator[KnownTool]:
    """The tools that these texts of an object show: images, addresses, names of variables."""
    lowered = [text.lower() for text in texts]
    for tool in KNOWN_TOOLS:
        if any(mark in text for mark in tool.marks for text in lowered):
            yield tool
