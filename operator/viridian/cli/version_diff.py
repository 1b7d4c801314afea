"""What differs between two versions of a model, from the records in the cluster and the runs that made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from viridian.api.retrainpolicy_status import FinishedRun
from viridian.cli.files import name_of
from viridian.people.policy_objects import known_status
from viridian.people.report_texts import ABSENT
from viridian.rollout.input import parse_records
from viridian.rollout.records import RevisionRecord


class UnknownVersion(Exception):
    """Neither a record nor a run is about a version; the message says where else to look."""


def version_diff(
    versions: tuple[str, str], records: Iterable[Mapping[str, Any]], policies: Iterable[Mapping[str, Any]]
) -> list[tuple[str, str, str]]:
    """Rows of what differs: the field, and its value in either version, `-` where it is not known.

    `records` are the ControllerRevisions of a ModelDeployment; `policies` the RetrainPolicies that are about it.
    """
    known = list(parse_records(list(records)).values())
    runs = [(name_of(policy), run) for policy in policies for run in known_status(policy).runs]
    before, after = (_facts(version, known, runs) for version in versions)
    fields = dict.fromkeys((*before, *after))
    return [
        (field, before.get(field, ABSENT), after.get(field, ABSENT))
        for field in fields
        if before.get(field, ABSENT) != after.get(field, ABSENT)
    ]


def _facts(version: str, records: Iterable[RevisionRecord], runs: Iterable[tuple[str, FinishedRun]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in sorted(records, key=lambda one: one.number):
        if record.model.version == version:
            found |= dict(_of_record(record))
    for policy, run in runs:
        if run.version == version:
            found |= dict(_of_run(policy, run))
    if not found:
        raise UnknownVersion(f"no record and no run shown in a status is about version {version} (see MLflow)")
    return found


def _of_record(record: RevisionRecord) -> Iterator[tuple[str, str]]:
    yield "revision", record.revision
    yield "digest", record.model.digest or ABSENT
    yield "address", record.model.address
    yield "MLflow run", record.model.run or ABSENT
    newest = record.outcomes[-1] if record.outcomes else None
    yield "outcome", f"{newest.outcome} at {newest.at}" if newest is not None else ABSENT
    containers = (record.template.get("spec") or {}).get("containers") or ()
    yield from ((f"image of {one.get('name')}", str(one.get("image"))) for one in containers)
    yield from ((f"resources of {one.get('name')}", _flat(one.get("resources"))) for one in containers)


def _of_run(policy: str, run: FinishedRun) -> Iterator[tuple[str, str]]:
    yield "made by", f"run {run.id} of {policy}, {', '.join(run.reasons)}"
    yield "finished", run.finished_at or ABSENT
    yield "holdout", run.holdout or ABSENT
    yield "CPU-hours", ABSENT if run.cpu_seconds is None else f"{run.cpu_seconds / 3600.0:.3g}"
    yield from ((f"metric {name}", f"{value:.6g}") for name, value in sorted(run.metrics.items()))
    lineage = msgspec.to_builtins(run.lineage) if run.lineage is not None else {}
    yield from ((f"lineage {name}", _flat(value)) for name, value in lineage.items() if value)


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_flat, value))
    return ABSENT if value in (None, "") else str(value)
