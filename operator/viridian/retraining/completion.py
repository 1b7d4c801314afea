"""How an ended run is decided about: what was made is registered, then judged, then handed over, then written down.

Each step is taken only where the registry does not show it yet. The outcome is written last, on the record of the run,
when everything else is seen to be there. So the operator may be killed between any two of them. The gate's word is put
on the version once its alias was seen, and the alias is set only while that word is missing: where a person moves it
later, it stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from viridian.api import reasons
from viridian.api.registry import (
    ALIAS_CHAMPION,
    TAG_DATA,
    TAG_DIGEST,
    TAG_GATE,
    TAG_HOLDOUT,
    TAG_METRICS,
    TAG_OUTCOME,
    TAG_POLICY,
    TAG_REASON,
    TAG_RUN,
    ModelVersion,
    TrainingRun,
)
from viridian.api.retrainpolicy import MAX_REPORTED_METRICS, FinishedRun, Gate
from viridian.api.stage import StageReport, parse_report
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
from viridian.judgement.gate import CHAMPION_PREFIX, Candidate, Champion, GateVerdict, judge
from viridian.retraining.checks import followed_model
from viridian.retraining.input import RegistryResult, named_model
from viridian.retraining.outcome import RunVerdict, without_candidate
from viridian.retraining.owners import claimant
from viridian.retraining.provenance import foreign
from viridian.retraining.queries import may_have_candidate
from viridian.retraining.records import NO_DATA, dump_notes
from viridian.retraining.runs import Run
from viridian.retraining.stages.result import OPEN, Ending
from viridian.retraining.state import RetrainingState


@dataclass(frozen=True, slots=True)
class CompletionStep:
    """What to do about an ended run now; `finished` once its outcome is being written down."""

    actions: tuple[Action, ...]
    finished: FinishedRun | None = None


def step(state: RetrainingState, run: Run, ending: Ending, registry: RegistryResult) -> CompletionStep:
    """The next step for a run whose stage has ended."""
    told = parse_report(ending.said)
    source = named_model(told.model_uri, registry.run, registry.candidate) if may_have_candidate(ending) else ""
    strange = foreign(source, registry.run, registry.logged) if source and registry.run is not None else ""
    if source and not strange and registry.candidate is None and registry.run is not None:
        return CompletionStep((_register(state, run, registry.run, told, source),))
    if strange:
        # Nothing is written to a version that was registered from what another run made.
        registry = replace(registry, candidate=None)
    verdict = RunVerdict(reasons.FOREIGN_MODEL, strange) if strange else _verdict(state, run, ending, told, registry)
    ahead = tuple(_not_yet_there(state, run, told, registry, verdict))
    if ahead:
        return CompletionStep(ahead)
    finished = _finished(state, run, ending, told, registry, verdict)
    noted, tells = dump_notes(run.note, finished), () if ending.restored else news(finished)
    return CompletionStep(
        (Annotate("apps/v1", "ControllerRevision", run.record.name, noted, tells=tells),),
        finished,
    )


def _register(state: RetrainingState, run: Run, mlflow: TrainingRun, told: StageReport, source: str) -> RegisterVersion:
    followed = followed_model(state.facts)
    tags = _description(state, run, told, mlflow)
    return RegisterVersion(followed.name if followed else "", mlflow.run_id, source, tags, claimant(state))


def _description(state: RetrainingState, run: Run, told: StageReport, mlflow: TrainingRun | None) -> dict[str, str]:
    """What a version remembers about how it was made; a later candidate is compared with it."""
    tags = mlflow.tags if mlflow else {}
    own = {name: value for name, value in reported(told, mlflow).items() if not name.startswith(CHAMPION_PREFIX)}
    described = {
        TAG_DIGEST: told.model_digest or tags.get(TAG_DIGEST, ""),
        TAG_HOLDOUT: told.holdout or tags.get(TAG_HOLDOUT, ""),
        TAG_METRICS: json.dumps(_shown(own, state.spec.gate)),
        TAG_POLICY: f"{state.facts.namespace}/{state.facts.name}",
        TAG_RUN: run.id,
        **{f"{TAG_DATA}{part}": value for part, value in _data(run, told).items()},
    }
    return {key: value for key, value in described.items() if value}


def _data(run: Run, told: StageReport) -> Mapping[str, str]:
    """What the run was trained on: what it told, else what it was given."""
    given = run.origin.data
    return told.data or ({} if given == NO_DATA else {"uri": given.uri, "revision": given.revision})


def reported(told: StageReport, run: TrainingRun | None) -> Mapping[str, float]:
    """All numbers of a run: what it logged, and what it said at the end, which counts where both differ."""
    return {**(run.metrics if run else {}), **told.metrics}


def _verdict(
    state: RetrainingState, run: Run, ending: Ending, told: StageReport, registry: RegistryResult
) -> RunVerdict:
    """What is to become of the run."""
    said = registry.candidate.tags.get(TAG_GATE, "") if ending.restored and registry.candidate else ""
    if said:  # it was judged when it ended
        outcome, _, message = said.partition(": ")
        return RunVerdict(outcome, message)
    other = without_candidate(run, ending, told, state.spec.stages.training.timeout)
    if other is not None:
        return other
    if ending.lost and (registry.candidate is None or not reported(told, registry.run)):
        gone = "training ended well, but its pod was deleted before its report could be read"
        return RunVerdict(
            reasons.FAILED, f"{gone}: log model and metrics to the MLflow run, which stays, or run it again"
        )
    if registry.candidate is None:
        lost = "its MLflow run was deleted" if registry.run is None else "training ended well, but made no model"
        return RunVerdict(reasons.FAILED, f"{lost}: log a model to the MLflow run, or report model.uri")
    judged = gate(state, run, told, registry, registry.candidate)
    return RunVerdict(reasons.HANDED_OVER if judged.passed else reasons.REJECTED, judged.sentence)


def gate(
    state: RetrainingState, run: Run, told: StageReport, registry: RegistryResult, candidate: ModelVersion
) -> GateVerdict:
    """The gate's verdict about what the run made."""
    champion = _champion(registry, candidate)
    return judge(
        state.spec.gate,
        Candidate(
            metrics=reported(told, registry.run),
            holdout=told.holdout or (registry.run.tags.get(TAG_HOLDOUT, "") if registry.run else ""),
            judged_present_champion=champion is None or champion.version == run.origin.champion,
            champion_problem=told.champion_problem,
        ),
        champion,
    )


def _champion(registry: RegistryResult, candidate: ModelVersion) -> Champion | None:
    """Whom to compare with. A candidate that was handed over before may already serve: it is not its own rival."""
    version = registry.query.champion or registry.aliases.get(ALIAS_CHAMPION, "")
    if not version or version == candidate.version:
        return None
    tags = registry.champion.tags if registry.champion else {}
    return Champion(version=version, metrics=_recorded(tags.get(TAG_METRICS, "")), holdout=tags.get(TAG_HOLDOUT, ""))


def _recorded(text: str) -> Mapping[str, float]:
    """The numbers that a version's tag remembers."""
    return dict(parse_report(f'{{"metrics": {text}}}').metrics) if text else {}


def _not_yet_there(
    state: RetrainingState, run: Run, told: StageReport, registry: RegistryResult, verdict: RunVerdict
) -> Iterator[Action]:
    """What the registry does not show yet of the verdict."""
    if registry.run is not None and registry.run.status in OPEN:
        yield FinishRun(registry.run.run_id, str(verdict.mlflow_status))
    candidate, followed = registry.candidate, followed_model(state.facts)
    if candidate is None or followed is None:
        return
    described = _description(state, run, told, registry.run)
    missing = {key: value for key, value in described.items() if key not in candidate.tags}
    if missing:
        yield TagVersion(candidate.name, candidate.version, missing)
    elif TAG_GATE in candidate.tags:
        return
    elif verdict.hands_over and followed.alias and registry.aliases.get(followed.alias) != candidate.version:
        yield SetAlias(followed.name, followed.alias, candidate.version)
    else:
        yield TagVersion(candidate.name, candidate.version, _verdict_tags(verdict))


def _verdict_tags(verdict: RunVerdict) -> dict[str, str]:
    """Tags are written one by one: the gate's word is the last, since it says that all else is there."""
    quality = {TAG_GATE: f"{verdict.outcome}: {verdict.message}"}
    return quality if verdict.hands_over else {TAG_REASON: verdict.message, TAG_OUTCOME: verdict.outcome, **quality}


def _finished(
    state: RetrainingState, run: Run, ending: Ending, told: StageReport, registry: RegistryResult, verdict: RunVerdict
) -> FinishedRun:
    return FinishedRun(
        id=run.id,
        outcome=verdict.outcome,
        reasons=run.reasons[:20],
        message=verdict.message,
        version=registry.candidate.version if registry.candidate else None,
        metrics=_shown(reported(told, registry.run), state.spec.gate),
        started_at=run.created or None,
        finished_at=ending.at or run.created or None,
    )


_TOLD = {
    reasons.HANDED_OVER: (EventType.NORMAL, reasons.EVENT_GATE_PASSED),
    reasons.REJECTED: (EventType.WARNING, reasons.EVENT_GATE_FAILED),
    reasons.DATA_QUALITY_FAILED: (EventType.WARNING, reasons.EVENT_DATA_QUALITY_FAILED),
    reasons.SKIPPED: (EventType.NORMAL, reasons.EVENT_RUN_SKIPPED),
    reasons.CANCELLED: (EventType.NORMAL, reasons.EVENT_RUN_CANCELLED),
}


def news(finished: FinishedRun) -> tuple[Event, ...]:
    """What people are told of the end of a run."""
    kind, reason = _TOLD.get(finished.outcome, (EventType.WARNING, reasons.EVENT_RUN_FAILED))
    told = Event(kind, reason, f"run {finished.id}: {finished.message}")
    if finished.outcome != reasons.HANDED_OVER:
        return (told,)
    message = f"version {finished.version} has the alias that the ModelDeployment follows"
    return (told, Event(EventType.NORMAL, reasons.EVENT_HANDED_OVER, message))


def _shown(metrics: Mapping[str, float], gate: Gate) -> dict[str, float]:
    """As many numbers as a status holds, those of the gate first. JSON knows no NaN, so what is none is left out."""
    asked = {metric.name for metric in gate.metrics}
    finite = [name for name, value in metrics.items() if math.isfinite(value)]
    finite.sort(key=lambda name: (name.removeprefix(CHAMPION_PREFIX) not in asked, name))
    return {name: metrics[name] for name in finite[:MAX_REPORTED_METRICS]}
