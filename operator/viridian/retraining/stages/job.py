"""The Job of a run: the user's pod template, with what the contract of a stage adds to it.

What the user wrote stays as it is written; Viridian fills in what is missing. Two things only are not the user's to
choose: `restartPolicy: Never`, without which Kubernetes takes no podFailurePolicy, and labels under viridian.dev.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from viridian.api.address import secret_of, variable
from viridian.api.feedback import COLLECTOR_TOKEN_FILE_VARIABLE, FrozenRows
from viridian.api.names import GROUP, RETRAIN_POLICY, RUN_LABEL, STAGE_LABEL, TRIGGER_ANNOTATION
from viridian.api.stage import FINAL_EXIT_CODES
from viridian.core import collector_token
from viridian.core.lookup import Object, dig, entries, mapping, text
from viridian.core.ownership import owner_reference
from viridian.retraining.checks import followed_model
from viridian.retraining.queries import experiment_of
from viridian.retraining.records import TRAINING, RunOrigin, data_shown, dump_origin, labels
from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.timetable import length

CHAMPION_VARIABLE: Final = "VIRIDIAN_CHAMPION_URI"
OUT_DIR: Final = "/viridian/out"
OUT_VOLUME: Final = "viridian-out"
OUT_SIZE: Final = "50Gi"
MEMORY: Final = "16Gi"
"""For a container whose needs nobody has written down: training may take much, and still not a whole node."""
_REQUESTED: Final = "256Mi"


def origin_now(state: RetrainingState, causes: tuple[Cause, ...], mlflow_run: str = "") -> RunOrigin:
    """What a run that begins now works on."""
    facts, containers = state.facts, entries(state.spec.stages.training.template, "spec", "containers")
    return RunOrigin(
        causes=causes,
        champion=facts.deployment.champion_version if facts.deployment else "",
        data=data_shown(state.spec),
        image=text(containers[0], "image") if containers else "",
        mlflow_run=mlflow_run,
    )


def job(state: RetrainingState, run: Run, origin: RunOrigin, rows: FrozenRows | None = None) -> dict[str, Any]:
    """The whole intent of a run's Job. It is applied once: a Job's template cannot be changed."""
    facts, stage = state.facts, state.spec.stages.training
    own = labels(facts.name, **{RUN_LABEL: run.id, STAGE_LABEL: TRAINING})
    environment = {**_environment(state, run.id, origin), **_rows(rows)}
    user = _pulling(stage.template, facts.image_pull_secrets)
    template = _template(user, own, environment, may_ask=rows is not None)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": run.job_name,
            "namespace": facts.namespace,
            "labels": own,
            "annotations": {TRIGGER_ANNOTATION: json.dumps(dump_origin(origin), ensure_ascii=False)},
            "ownerReferences": [owner_reference(RETRAIN_POLICY, facts.name, facts.uid)],
        },
        "spec": {
            "backoffLimit": stage.backoff_limit,
            "activeDeadlineSeconds": max(1, int(length(stage.timeout).total_seconds())),
            "podFailurePolicy": _failure_policy(text(template["spec"]["containers"][0], "name")),
            "template": template,
        },
    }


def _failure_policy(worker: str) -> dict[str, Any]:
    """Eviction and node loss do not count; what the stage has decided is not tried again."""
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": worker, "operator": "In", "values": list(FINAL_EXIT_CODES)},
            },
        ]
    }


def _environment(state: RetrainingState, run: str, origin: RunOrigin) -> dict[str, str]:
    """All of it is always there; empty means that there is none."""
    facts, data, followed = state.facts, state.spec.data, followed_model(state.facts)
    return {
        "VIRIDIAN_RUN_ID": run,
        "VIRIDIAN_MODEL_NAME": followed.name if followed else "",
        "VIRIDIAN_STAGE": TRAINING,
        "VIRIDIAN_REASONS": json.dumps([cause.told() for cause in origin.causes], ensure_ascii=False),
        "VIRIDIAN_DATA_URI": data.uri if data else "",
        "VIRIDIAN_DATA_REVISION": data.revision if data else "",
        CHAMPION_VARIABLE: facts.deployment.champion_uri if facts.deployment else "",
        "VIRIDIAN_LAST_EVALUATION": _last_evaluation(state),
        "VIRIDIAN_OUT_DIR": OUT_DIR,
        "MLFLOW_TRACKING_URI": facts.mlflow_uri or "",
        "MLFLOW_EXPERIMENT_NAME": experiment_of(facts),
        "MLFLOW_RUN_ID": origin.mlflow_run,
    }


def _rows(rows: FrozenRows | None) -> dict[str, str]:
    """Where the rows are that were frozen for this run, what they must hash to, and how to show who asks for them."""
    return {
        "VIRIDIAN_FEEDBACK_URI": rows.uri if rows else "",
        "VIRIDIAN_FEEDBACK_DIGEST": rows.digest if rows else "",
        COLLECTOR_TOKEN_FILE_VARIABLE: collector_token.TOKEN_FILE if rows else "",
    }


def _last_evaluation(state: RetrainingState) -> str:
    latest = state.finished[0].finished if state.finished else None
    if latest is None:
        return ""
    told = {"outcome": latest.outcome, "metrics": latest.metrics, "reason": latest.message}
    return json.dumps(told, ensure_ascii=False)


def _pulling(user: Object, secrets: Sequence[str]) -> Object:
    """The user's template, with the Secrets that pull images where it names none of its own."""
    spec = mapping(user, "spec")
    if not secrets or "imagePullSecrets" in spec:
        return user
    return {**user, "spec": {**spec, "imagePullSecrets": [{"name": secret} for secret in secrets]}}


def _template(
    user: Object, ours: Mapping[str, str], environment: Mapping[str, str], *, may_ask: bool
) -> dict[str, Any]:
    metadata, spec = mapping(user, "metadata"), mapping(user, "spec")
    own = {key: value for key, value in mapping(metadata, "labels").items() if not key.startswith(f"{GROUP}/")}
    return {
        **user,
        "metadata": {**metadata, "labels": {**own, **ours}},
        "spec": {
            # Service links would put MLFLOW_PORT and the like into the environment, where MLflow looks for settings.
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            **spec,
            "restartPolicy": "Never",
            "securityContext": _pod_security(spec),
            "volumes": [*_volumes(spec), *([collector_token.volume()] if may_ask else [])],
            **_containers(spec, environment, [collector_token.mount()] if may_ask else []),
        },
    }


def _containers(spec: Object, environment: Mapping[str, str], mounts: Sequence[Object]) -> dict[str, Any]:
    worker, *sidecars = entries(spec, "containers")
    before = entries(spec, "initContainers")
    return {
        "containers": [_worker(worker, environment, mounts), *map(_restricted, sidecars)],
        **({"initContainers": list(map(_restricted, before))} if before else {}),
    }


def _worker(container: Object, environment: Mapping[str, str], more: Sequence[Object]) -> dict[str, Any]:
    """The container that does the work. Its own variables come last, so that they may refer to Viridian's."""
    own = entries(container, "env")
    named = {text(variable, "name") for variable in own}
    added = [_variable(name, value) for name, value in environment.items() if name not in named]
    mounts = entries(container, "volumeMounts")
    mounted = any(text(mount, "mountPath").rstrip("/") == OUT_DIR for mount in mounts)
    return {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_restricted(container),
        "env": [*added, *own],
        "volumeMounts": [*mounts, *([] if mounted else [{"name": OUT_VOLUME, "mountPath": OUT_DIR}]), *more],
    }


def _variable(name: str, value: str) -> dict[str, Any]:
    """A champion whose address lies in a Secret is read from there."""
    return variable(name, value, secret=secret_of(value) if name == CHAMPION_VARIABLE else None)


def _volumes(spec: Object) -> list[Any]:
    own = entries(spec, "volumes")
    named = any(text(volume, "name") == OUT_VOLUME for volume in own)
    return [*own, *([] if named else [{"name": OUT_VOLUME, "emptyDir": {"sizeLimit": OUT_SIZE}}])]


def _pod_security(spec: Object) -> dict[str, Any]:
    """What the restricted Pod Security Standard asks of a pod, unless the user chose to run as root."""
    own = mapping(spec, "securityContext")
    users = [dig(part, "securityContext", "runAsUser") for part in (spec, *entries(spec, "containers"))]
    non_root = {} if 0 in users else {"runAsNonRoot": True}
    return {**non_root, "seccompProfile": {"type": "RuntimeDefault"}, **own}


def _restricted(container: Object) -> dict[str, Any]:
    """What the standard asks of a container, unless the user wrote otherwise: a privileged one may not be held back."""
    own = mapping(container, "securityContext")
    escalation = {} if own.get("privileged") is True else {"allowPrivilegeEscalation": False}
    secured = {**container, "securityContext": {**escalation, "capabilities": {"drop": ["ALL"]}, **own}}
    return _limited(secured)


def _limited(container: Object) -> dict[str, Any]:
    """With a limit of memory, where the user has written neither that nor a request."""
    resources = mapping(container, "resources")
    requests, limits = mapping(resources, "requests"), mapping(resources, "limits")
    if "memory" in requests or "memory" in limits:
        return dict(container)
    # A limit without a request would be the request as well.
    bounded = {**resources, "requests": {**requests, "memory": _REQUESTED}, "limits": {**limits, "memory": MEMORY}}
    return {**container, "resources": bounded}
