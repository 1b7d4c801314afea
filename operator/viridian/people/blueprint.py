"""A model's life in a form for readers, made from the living objects: nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from viridian.api.modeldeployment import ModelDeploymentSpec, Step
from viridian.api.names import REVIEW_ANNOTATION
from viridian.api.schema import Struct
from viridian.core.lookup import text
from viridian.people.model_summary import summary
from viridian.people.policy_objects import known_status, spec_in_force
from viridian.people.report_section import Section
from viridian.people.report_texts import ABSENT
from viridian.retraining.known_versions import counted_metrics
from viridian.retraining.workflow_defaults import workflow_of


def blueprint(model: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Sections about one ModelDeployment and the RetrainPolicies that are about it.

    Raises msgspec.ValidationError for a spec of another release.
    """
    spec = msgspec.convert(model.get("spec") or {}, ModelDeploymentSpec)
    sections = [_identity(model, spec), _rollout(spec)]
    if spec.monitoring is not None:
        sections.append(_monitoring(spec))
    for policy in policies:
        sections += _retraining(policy)
    return sections


def _identity(model: Mapping[str, Any], spec: ModelDeploymentSpec) -> Section:
    metadata, shown = model["metadata"], summary(model)
    governance, newest = spec.governance, next(iter(shown.status.revisions), None)
    review = (metadata.get("annotations") or {}).get(REVIEW_ANNOTATION, ABSENT)
    rows = [
        ("revision of the spec", str(metadata.get("generation", ABSENT))),
        ("written", f"{newest.at} by {newest.by or 'an unknown client'}" if newest is not None else ABSENT),
        ("champion", shown.champion or ABSENT),
        ("risk tier", str(governance.risk_tier or ABSENT) if governance is not None else ABSENT),
        ("business value", str(governance.business_value or ABSENT) if governance is not None else ABSENT),
        ("ticket", governance.ticket_ref or ABSENT if governance is not None else ABSENT),
        ("last review", review),
        ("reviewed every", spec.review.every if spec.review is not None else ABSENT),
    ]
    rows += [(f"label {key}", str(value)) for key, value in sorted((metadata.get("labels") or {}).items())]
    return Section(title="Model", headings=("what", "value"), rows=rows)


def _rollout(spec: ModelDeploymentSpec) -> Section:
    rows = [(f"step {step.name or number}", _step(step)) for number, step in enumerate(spec.rollout.steps, start=1)]
    rows += [(f"bound {one.name}", _settings(one, "name")) for one in spec.rollout.analysis.metrics]
    rows += [("probation", spec.rollout.probation), ("fallback", f"{spec.fallback.replicas} pods")]
    return Section(title="How a version becomes the champion", headings=("what", "value"), rows=rows)


def _monitoring(spec: ModelDeploymentSpec) -> Section:
    monitors = spec.monitoring.monitors if spec.monitoring is not None else ()
    rows = [(one.name, _settings(one, "name", "action"), str(one.action)) for one in monitors]
    return Section(title="What is watched", headings=("monitor", "threshold", "action"), rows=rows)


def _retraining(policy: Mapping[str, Any]) -> Iterator[Section]:
    spec, status = spec_in_force(policy), known_status(policy)
    stages = [name for name, one in msgspec.to_builtins(spec.stages).items() if one]
    promoted = status.last_run is not None
    rows = [
        ("revision of the spec", str(policy["metadata"].get("generation", ABSENT))),
        ("workflow", str(workflow_of(policy, promoted=promoted) or ABSENT)),
        ("mode", str(spec.mode)),
        ("stages", ", ".join(stages)),
        ("objective", ", ".join(f"{one.name} (weight {one.weight:g})" for one in counted_metrics(spec)) or ABSENT),
        ("gate", f"{spec.gate.rule}: {', '.join(_settings(one) for one in spec.gate.metrics) or 'no metric'}"),
        ("approval of a run", str(spec.approval.training)),
        ("approval of a hand-over", str(spec.gate.approval)),
    ]
    rows += [(f"trigger {one.name}", _settings(one, "name")) for one in spec.triggers]
    yield Section(title=f"Retraining by {text(policy, 'metadata', 'name')}", headings=("what", "value"), rows=rows)


def _step(step: Step) -> str:
    return "a person approves" if step.approval is not None else _settings(step, "name")


def _settings(struct: Struct, *but: str) -> str:
    """The fields of a struct that are set, in the words of the spec."""
    return ", ".join(_flat(msgspec.to_builtins(struct), but))


def _flat(value: Mapping[str, Any], but: Sequence[str] = (), prefix: str = "") -> Iterator[str]:
    for key, one in value.items():
        if key in but or one in (None, [], {}, ""):
            continue
        if isinstance(one, Mapping):
            yield from _flat(one, (), f"{prefix}{key}.")
        else:
            shown = ", ".join(map(str, one)) if isinstance(one, list) else str(one)
            yield f"{prefix}{key} {shown}"
