"""A RetrainPolicy: what it does now, what may start a run, what runs cost, and how the last ones ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viridian.api.automation import TrainingApproval
from viridian.api.evaluation import HoldoutEvaluation
from viridian.api.names import ACCEPT_ANNOTATION, APPROVE_ANNOTATION, RUN_LABEL
from viridian.api.retrainpolicy_status import FinishedRun, RetrainPolicyStatus
from viridian.api.stage import parse_report
from viridian.core.lookup import labels_of, text
from viridian.dashboard.views.gate_view import GateView, gate_view
from viridian.dashboard.views.moments import number
from viridian.people.policy_objects import known_status
from viridian.retraining.records import read_records

_OUTCOMES: Final = {
    "HandedOver": ("good", "✓"),
    "Rejected": ("bad", "✕"),
    "Failed": ("bad", "✕"),
    "ForeignModel": ("bad", "✕"),
    "DataQualityFailed": ("bad", "✕"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A finished run."""

    run: FinishedRun
    kind: str
    symbol: str
    metrics: str
    gate: GateView | None
    """The evidence, where its record still holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """What the page of a policy shows."""

    namespace: str
    name: str
    model: str
    mode: str
    suspended: bool
    status: RetrainPolicyStatus
    runs: Sequence[RunView]
    accept_command: str
    """The command that starts what is recommended; empty where nothing is."""

    @property
    def state(self) -> str:
        """One word for the list."""
        if self.suspended:
            return "suspended"
        if self.status.active_run is not None:
            return "running"
        return "waits for a person" if self.status.recommended is not None else "idle"


def policy_view(manifest: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> PolicyView:
    """Of a RetrainPolicy and the ControllerRevisions with its label."""
    status = known_status(manifest)
    spec = manifest.get("spec") or {}
    evaluations = _evaluations(records, text(manifest, "metadata", "uid"))
    namespace, name = text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")
    return PolicyView(
        namespace=namespace,
        name=name,
        model=text(spec, "modelDeployment"),
        mode=text(spec, "mode") or "Automatic",
        suspended=spec.get("suspend") is True,
        status=status,
        runs=[_run(run, evaluations.get(run.id)) for run in status.runs],
        accept_command=_start_command(namespace, name, spec, status),
    )


def _start_command(namespace: str, name: str, spec: Mapping[str, Any], status: RetrainPolicyStatus) -> str:
    if status.recommended is None:
        return ""
    required = text(spec, "approval", "training") == TrainingApproval.REQUIRED
    annotation = APPROVE_ANNOTATION if required else ACCEPT_ANNOTATION
    return f"kubectl annotate retrainpolicy {name} -n {namespace} {annotation}='{status.recommended.run}#<you>'"


def _run(run: FinishedRun, evaluation: HoldoutEvaluation | None) -> RunView:
    kind, symbol = _OUTCOMES.get(run.outcome, ("neutral", "•"))
    return RunView(
        run=run,
        kind=kind,
        symbol=symbol,
        metrics=", ".join(f"{name} {number(value)}" for name, value in list(run.metrics.items())[:3]),
        gate=gate_view(evaluation) if evaluation is not None else None,
    )


def _evaluations(records: Iterable[Mapping[str, Any]], uid: str) -> Mapping[str, HoldoutEvaluation]:
    """The newest evaluation that the stages of each run have reported, by the id of the run."""
    found: dict[str, HoldoutEvaluation] = {}
    for record in read_records([one for one in records if labels_of(one).get(RUN_LABEL)], uid):
        for note in record.notes.values():
            report = parse_report(note.result.termination_message) if note.result is not None else None
            if report is not None and report.evaluation is not None:
                found[record.run] = report.evaluation
    return found
