"""A stage as an object of any Job-like kind: its manifest, with the run's variables in it, and how its end is read.

Such objects are not watched: a kind may come and go with its CRD. The pass of a run at work reads the object by its
name. How its end shows is written on the object, so that it can be read for as long as the object is there.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from viridian.api.feedback import COLLECTOR_TOKEN_FILE_VARIABLE
from viridian.api.names import ENDING_ANNOTATION, GROUP, QUEUE_LABEL, stage_resource
from viridian.api.podtemplate import too_large
from viridian.api.stage_resource import StageResource, StatusValue, endings_of, variable_lists
from viridian.api.texts import one_line
from viridian.core.lookup import Object, annotations_of, dig, entries, json_in, mapping, text
from viridian.core.plan import Manifest
from viridian.core.pods_waiting import Impediment
from viridian.core.times import length, parse_time
from viridian.retraining.stages.manifest_paths import containers, found_at, text_at
from viridian.retraining.stages.stage_kind import StageWork
from viridian.retraining.stages.state import StageOutcome, StageResult, StageState

MAX_MESSAGE = 1000
_OF_A_POD = (
    "VIRIDIAN_OUT_DIR",
    "VIRIDIAN_IN_DIR",
    "VIRIDIAN_CHECKPOINT_DIR",
    COLLECTOR_TOKEN_FILE_VARIABLE,
)
"""Variables about what is mounted into the pod of a Job, and not into the pods of others."""
_ENDED_AT = ("status.completionTime", "status.endTime", "status.finishedAt")


@dataclass(frozen=True, slots=True)
class ResourceStage:
    """Objects of this kind."""

    api_version: str
    kind: str
    pod_label: str = ""
    is_watched: bool = False

    def name(self, policy: str, run: str, stage: str) -> str:
        return stage_resource(policy, run, stage)

    def manifest(self, work: StageWork) -> Manifest:
        resource = work.stage.resource
        if resource is None:
            raise LookupError(f"the stage {work.name} has no resource")
        made = copy.deepcopy(resource.manifest)
        _add_variables(made, resource, work.pod.variables)
        made["metadata"] = _metadata(made, work, resource)
        return made

    def state(self, found: Object | None, pods: Sequence[Object]) -> StageState:  # noqa: ARG002
        if found is None:
            return StageState()
        suspended = dig(found, "spec", "suspend") is True
        return StageState(
            result=_result(found),
            waiting=_waiting(found, self.kind, suspended=suspended),
            working=bool(mapping(found, "status")) and not suspended,
            overdue_at=None if suspended else _overdue_at(found),
        )

    def has_ended(self, found: Object | None) -> bool:
        return found is not None and _result(found) is not None


def problem(resource: StageResource) -> str:
    """Why a stage cannot be such an object, in a sentence without its subject; empty where it can."""
    success, failure = endings_of(resource)
    if not success or not failure:
        kind = " ".join(resource.kind)
        return (
            f"names {kind}, a kind whose end is not known: write success and failure, each [{{path: …, values: […]}}]"
        )
    if size := too_large(resource.manifest):
        return f"{size}: keep large texts in a ConfigMap"
    wrong = next((path for path in variable_lists(resource) if not _is_list(resource.manifest, path)), "")
    if wrong:
        return f"has no place for variables at {wrong}: only its last step may be missing, and it is a list"
    return ""


def first_image(manifest: Object) -> str:
    """The image of the first container in it; empty where its pod templates are elsewhere."""
    return next((text(one, "image") for one in containers(dict(manifest))), "")


def _metadata(made: Object, work: StageWork, resource: StageResource) -> dict[str, Any]:
    own, queue = dict(work.metadata), work.stage.queue
    success, failure = endings_of(resource)
    ending = {
        "success": [{"path": one.path, "values": list(one.values)} for one in success],
        "failure": [{"path": one.path, "values": list(one.values)} for one in failure],
        "seconds": int(length(work.stage.timeout).total_seconds()),
    }
    labels = {**_users(made, "labels"), **own.get("labels", {}), **({QUEUE_LABEL: queue} if queue else {})}
    annotations = {**_users(made, "annotations"), **own.get("annotations", {}), ENDING_ANNOTATION: json.dumps(ending)}
    return {**own, "labels": labels, "annotations": annotations}


def _users(made: Object, field: str) -> dict[str, Any]:
    return {key: value for key, value in mapping(made, "metadata", field).items() if not key.startswith(f"{GROUP}/")}


def _add_variables(made: dict[str, Any], resource: StageResource, variables: Sequence[Manifest]) -> None:
    """The user's variables come after Viridian's, and may refer to them."""
    for container in containers(made):
        container["env"] = _with(variables, container.get("env"))
    for path in variable_lists(resource):
        parent, _, last = path.rpartition(".")
        place = found_at(made, parent)
        if isinstance(place, dict):
            place[last] = _with(variables, place.get(last))


def _with(variables: Sequence[Manifest], own: Any) -> list[Any]:
    users = [one for one in own if isinstance(one, Mapping)] if isinstance(own, list) else []
    named = {one.get("name") for one in users}
    given = [{"name": one["name"], "value": ""} if one["name"] in _OF_A_POD else dict(one) for one in variables]
    return [*(one for one in given if one["name"] not in named), *users]


def _is_list(manifest: Object, path: str) -> bool:
    parent, _, last = path.rpartition(".")
    place = found_at(manifest, parent)
    return isinstance(place, dict) and isinstance(place.get(last, []), list) and "[" not in last


def _ending(found: Object) -> Object:
    return mapping(json_in(annotations_of(found).get(ENDING_ANNOTATION, "")))


def _result(found: Object) -> StageResult | None:
    ending = _ending(found)
    for name, outcome in (("failure", StageOutcome.FAILED), ("success", StageOutcome.COMPLETE)):
        holds = next((one for one in map(_status_value, entries(ending, name)) if _holds(found, one)), None)
        if holds is not None:
            return _ended(found, outcome, holds)
    return None


def _status_value(recorded: Object) -> StatusValue:
    values = dig(recorded, "values")
    return StatusValue(path=text(recorded, "path"), values=tuple(map(str, values)) if isinstance(values, list) else ())


def _holds(found: Object, wanted: StatusValue) -> bool:
    return wanted.path.startswith("status.") and text_at(found, wanted.path) in wanted.values


def _ended(found: Object, outcome: StageOutcome, holds: StatusValue) -> StageResult:
    times = [text_at(found, path) for path in _ENDED_AT]
    condition = found_at(found, holds.path.rpartition(".")[0])
    shown = f"{holds.path} is {text_at(found, holds.path)}"
    words = text(condition, "message") or text_at(found, "status.message") or text_at(found, "status.reason")
    return StageResult(
        outcome=outcome,
        at=next((at for at in (*times, text(condition, "lastTransitionTime")) if parse_time(at)), ""),
        reason=one_line(text(condition, "reason") or text_at(found, "status.reason"), 100),
        message=""
        if outcome is StageOutcome.COMPLETE
        else one_line(f"{shown}: {words}" if words else shown, MAX_MESSAGE),
    )


def _waiting(found: Object, kind: str, *, suspended: bool) -> Impediment | None:
    if suspended:
        return Impediment(f"its {kind} is suspended, and a queue such as Kueue, or a person, has to resume it")
    if mapping(found, "status"):
        return None
    since = parse_time(text(found, "metadata", "creationTimestamp"))
    what = f"its {kind} has no status yet: does the controller of this kind run in the cluster?"
    return Impediment(what, since=since) if since is not None else None


def _overdue_at(found: Object) -> Any:
    began, seconds = parse_time(text(found, "metadata", "creationTimestamp")), dig(_ending(found), "seconds")
    return began + timedelta(seconds=seconds) if began is not None and isinstance(seconds, int) else None
