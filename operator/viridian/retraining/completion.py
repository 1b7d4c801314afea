"""How an ended run is completed: what was made is registered, then judged, then handed over, then written down.

Each step is taken only where the registry does not show it yet. The outcome is written last, on the record of the run,
when everything else is seen to be there. So the operator may be killed between any two of them. The verdict of the gate
is put on the version once its alias was seen, and the alias is set only while that verdict is missing: where a person
moves it later, it stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from viridian.api import reasons
from viridian.api.gate_spec import Gate
from viridian.api.lineage import Lineage
from viridian.api.metric_names import CHAMPION_PREFIX
from viridian.api.registry import (
    TAG_COMMANDS,
    TAG_DATA,
    TAG_DIGEST,
    TAG_EVALUATION,
    TAG_GATE,
    TAG_HOLDOUT,
    TAG_LABEL_DEFINITION,
    TAG_METRICS,
    TAG_OUTCOME,
    TAG_POLICY,
    TAG_REASON,
    TAG_RUN,
)
from viridian.api.retrainpolicy_status import MAX_REPORTED_METRICS, FinishedRun
from viridian.api.stage import StageReport
from viridian.core.plan import (
    Action,
    Annotate,
    Event,
    EventType,
    FinishRun,
    RegisterVersion,
    SetAlias,
    TagVersion,
)
from viridian.core.times import format_time
from viridian.retraining.candidate_gate import evaluated, reported, times_asked
from viridian.retraining.handover import decision_about, recorded_decision
from viridian.retraining.input import RegistryResult, named_model
from viridian.retraining.mlflow_runs import OPEN
from viridian.retraining.outcome import EndedRun, RunVerdict, verdict_on
from viridian.retraining.owners import claimant
from viridian.retraining.provenance import foreign
from viridian.retraining.records import dump_notes
from viridian.retraining.run_commands import dump_commands
from viridian.retraining.run_report import may_have_candidate, run_report
from viridian.retraining.run_usage import run_usage
from viridian.retraining.runs import JUDGED, Run
from viridian.retraining.stages.state import StageResult
from viridian.retraining.state import RetrainingState
from viridian.retraining.version_lineage import changed, data_of, lineage_of, lineage_tags


@dataclass(frozen=True, slots=True)
class CompletionStep:
    """What to do about an ended run now; `finished` once its outcome is being written down."""

    actions: tuple[Action, ...]
    finished: FinishedRun | None = None


def step(state: RetrainingState, run: Run, result: StageResult, registry: RegistryResult) -> CompletionStep:
    """The next step for a run whose last stage has ended."""
    noted = _note_decision(state, run)
    if noted is not None:
        return CompletionStep((noted,))
    ended = _ended_run(state, run, result, registry)
    registration = _registration(ended)
    if registration is not None:
        return CompletionStep((registration,))
    verdict = verdict_on(ended)
    missing = tuple(_not_yet_there(ended, verdict))
    if missing:
        return CompletionStep(missing)
    finished = _finished(ended, verdict)
    notes, tells = dump_notes(run.record.notes, finished), () if result.restored else events(finished, run.finished)
    return CompletionStep((Annotate("apps/v1", "ControllerRevision", run.record.name, notes, tells=tells),), finished)


def _note_decision(state: RetrainingState, run: Run) -> Annotate | None:
    """What a person decided about a candidate that waits, before anything follows from it."""
    decision = decision_about(run, state.facts.annotations)
    if run.finished is None or decision is None or recorded_decision(run) is not None:
        return None
    commands = (*run.finished.commands, f"{decision.annotation}={decision.value}")
    notes = dump_notes(run.record.notes, msgspec.structs.replace(run.finished, commands=commands))
    return Annotate("apps/v1", "ControllerRevision", run.record.name, notes)


def _ended_run(state: RetrainingState, run: Run, result: StageResult, registry: RegistryResult) -> EndedRun:
    report = run_report(run)
    source = _source(run, report, registry)
    foreign_model = foreign(source, registry.run, registry.logged) if source and registry.run is not None else ""
    if foreign_model:
        # Nothing is written to a version that was registered from what another run made.
        registry = replace(registry, candidate=None)
    return EndedRun(
        state=state,
        run=run,
        result=result,
        report=report,
        registry=registry,
        lineage=lineage_of(run, report, registry.run),
        foreign_model=foreign_model,
    )


def _source(run: Run, report: StageReport, registry: RegistryResult) -> str:
    """The model that the run made; empty for a run that has none to register."""
    return named_model(report.model_uri, registry.run, registry.candidate) if may_have_candidate(run) else ""


def _registration(ended: EndedRun) -> RegisterVersion | None:
    """The version that is to be registered; None where it is, and where there is nothing to register."""
    mlflow, source = ended.registry.run, _source(ended.run, ended.report, ended.registry)
    if not source or ended.foreign_model or ended.registry.candidate is not None or mlflow is None:
        return None
    followed = ended.state.facts.followed
    name = followed.name if followed else ""
    return RegisterVersion(name, mlflow.run_id, source, _description(ended), claimant(ended.state))


def _description(ended: EndedRun) -> dict[str, str]:
    """What a version remembers about how it was made; a later candidate is compared with it."""
    report, mlflow, facts = ended.report, ended.registry.run, ended.state.facts
    tags = mlflow.tags if mlflow else {}
    own = {name: value for name, value in reported(report, mlflow).items() if not name.startswith(CHAMPION_PREFIX)}
    evaluation = evaluated(report, mlflow)
    described = {
        TAG_DIGEST: report.model_digest or tags.get(TAG_DIGEST, ""),
        TAG_HOLDOUT: report.holdout or tags.get(TAG_HOLDOUT, ""),
        TAG_METRICS: json.dumps(_shown(own, ended.state.spec.gate)),
        TAG_EVALUATION: "" if evaluation is None else evaluation.rendered(),
        TAG_POLICY: f"{facts.namespace}/{facts.name}",
        TAG_RUN: ended.run.id,
        TAG_LABEL_DEFINITION: ended.run.label_definition,
        **{f"{TAG_DATA}{part}": value for part, value in data_of(ended.run, report).items()},
        **lineage_tags(ended.lineage, mlflow),
    }
    return {key: value for key, value in described.items() if value}


def _not_yet_there(ended: EndedRun, verdict: RunVerdict) -> Iterator[Action]:
    """What the registry does not show yet of the verdict."""
    registry = ended.registry
    if registry.run is not None and registry.run.status in OPEN:
        yield FinishRun(registry.run.run_id, str(verdict.mlflow_status))
    candidate, followed = registry.candidate, ended.state.facts.followed
    if candidate is None or followed is None:
        return
    missing = {key: value for key, value in _description(ended).items() if key not in candidate.tags}
    if missing:
        yield TagVersion(candidate.name, candidate.version, missing)
    elif TAG_GATE in candidate.tags or verdict.outcome == reasons.AWAITING_APPROVAL:
        return
    elif verdict.hands_over and followed.alias and registry.aliases.get(followed.alias) != candidate.version:
        yield SetAlias(followed.name, followed.alias, candidate.version)
    else:
        yield TagVersion(candidate.name, candidate.version, _verdict_tags(ended.run, verdict))


def _verdict_tags(run: Run, verdict: RunVerdict) -> dict[str, str]:
    """Tags are written one by one: the verdict is the last, since it means that all else is there."""
    last = {TAG_GATE: f"{verdict.outcome}: {verdict.message}"}
    commands = {TAG_COMMANDS: json.dumps(written, ensure_ascii=False)} if (written := _commands(run)) else {}
    why = {} if verdict.hands_over else {TAG_REASON: verdict.message, TAG_OUTCOME: verdict.outcome}
    return {**commands, **why, **last}


def _commands(run: Run) -> tuple[str, ...]:
    """What people wrote about the run, before it began and about its candidate."""
    return run.finished.commands if run.finished is not None else dump_commands(run.record.origin.commands)


def _handed_over_before(ended: EndedRun) -> Lineage | None:
    """What the newest version was made from that was handed over before."""
    finished = (run.finished for run in ended.state.finished)
    over = (one for one in finished if one is not None and one.outcome == reasons.HANDED_OVER)
    return next((one.lineage for one in over), None)


def _finished(ended: EndedRun, verdict: RunVerdict) -> FinishedRun:
    run, candidate = ended.run, ended.registry.candidate
    lineage = ended.lineage if candidate is not None else None
    evaluation = evaluated(ended.report, ended.registry.run) if verdict.outcome in JUDGED else None
    return FinishedRun(
        id=run.id,
        outcome=verdict.outcome,
        reasons=run.reasons[:20],
        message=verdict.message,
        version=candidate.version if candidate else None,
        metrics=_shown(reported(ended.report, ended.registry.run), ended.state.spec.gate),
        holdout=(evaluation.holdout or None) if evaluation else None,
        holdout_asked=times_asked(ended.state, run, evaluation) if evaluation and evaluation.holdout else None,
        started_at=run.created or None,
        finished_at=ended.result.at or run.created or None,
        handed_over_at=format_time(ended.state.now) if verdict.hands_over and run.finished is not None else None,
        waits_until=format_time(verdict.waits_until) if verdict.waits_until is not None else None,
        commands=_commands(run),
        cpu_seconds=run.cpu_seconds or None,
        spot_cpu_seconds=run.spot_cpu_seconds or None,
        usage=run_usage(run),
        lineage=lineage,
        changed=changed(_handed_over_before(ended), lineage) if lineage is not None else (),
    )


_EVENTS = {
    reasons.AWAITING_APPROVAL: (EventType.NORMAL, reasons.EVENT_GATE_PASSED),
    reasons.SUPERSEDED: (EventType.NORMAL, reasons.EVENT_SUPERSEDED),
    reasons.HANDED_OVER: (EventType.NORMAL, reasons.EVENT_GATE_PASSED),
    reasons.REJECTED: (EventType.WARNING, reasons.EVENT_GATE_FAILED),
    reasons.DATA_QUALITY_FAILED: (EventType.WARNING, reasons.EVENT_DATA_QUALITY_FAILED),
    reasons.SKIPPED: (EventType.NORMAL, reasons.EVENT_RUN_SKIPPED),
    reasons.CANCELLED: (EventType.NORMAL, reasons.EVENT_RUN_CANCELLED),
}


def events(finished: FinishedRun, waited: FinishedRun | None = None) -> tuple[Event, ...]:
    """The events about the end of a run; `waited`: its outcome until now, where its candidate waited for a person."""
    kind, reason = _EVENTS.get(finished.outcome, (EventType.WARNING, reasons.EVENT_RUN_FAILED))
    ended = Event(kind, reason, f"run {finished.id}: {finished.message}")
    if waited is not None and finished.outcome == reasons.REJECTED:
        return (Event(EventType.NORMAL, reasons.EVENT_REJECTED, ended.message),)
    if finished.outcome != reasons.HANDED_OVER:
        return (ended,)
    message = f"version {finished.version} has the alias that the ModelDeployment follows"
    handed_over = Event(EventType.NORMAL, reasons.EVENT_HANDED_OVER, message)
    return (ended, handed_over) if waited is None else (handed_over,)


def _shown(metrics: Mapping[str, float], gate: Gate) -> dict[str, float]:
    """As many numbers as a status holds, those of the gate first. JSON knows no NaN, so what is none is left out."""
    asked = {metric.name for metric in gate.metrics}
    finite = [name for name, value in metrics.items() if math.isfinite(value)]
    finite.sort(key=lambda name: (name.removeprefix(CHAMPION_PREFIX) not in asked, name))
    return {name: metrics[name] for name in finite[:MAX_REPORTED_METRICS]}
