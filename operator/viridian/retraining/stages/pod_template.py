"""The pod template of a stage: the user's, merged onto what the contract of a stage needs.

The user's value counts wherever both sides have one. Two things only are not the user's to choose: `restartPolicy:
Never`, without which Kubernetes takes no podFailurePolicy, and labels under viridian.dev.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from viridian.api.default_resources import DefaultResources
from viridian.api.names import GROUP
from viridian.api.podtemplate import too_large
from viridian.core import collector_token
from viridian.core.lookup import Object, dig, entries, mapping, text
from viridian.core.plan import Manifest
from viridian.core.pod_platform import OWN_USER, PodPlatform
from viridian.core.strategic_merge import InvalidTemplate, merge, names_memory
from viridian.retraining.stages.run_volumes import OUT_DIR, RunVolumes
from viridian.retraining.stages.spot import on_spot_nodes

OUT_VOLUME: Final = "viridian-out"
OUT_SIZE: Final = "50Gi"
MEMORY: Final = "16Gi"
"""For a container whose needs nobody has written down: training may take much, and still not a whole node."""
_REQUESTED: Final = "256Mi"
_TERMINATION: Final = {"terminationMessagePolicy": "FallbackToLogsOnError"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNeeds:
    """What the pod of one stage of one run is given."""

    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Sequence[Manifest] = ()
    # Names of the Secrets with which images are pulled, where the user names none.
    pull_secrets: Sequence[str] = ()
    # Whether it may read from the collector.
    reads_collector: bool = False
    # The volume of its run; None where runs have none.
    volumes: RunVolumes | None = None
    # What containers are given that write no resources; None: a limit of memory alone.
    resources: DefaultResources | None = None
    # Labels of spot nodes, where it is to prefer them.
    spot_nodes: Sequence[str] = ()
    # What the platform gives each pod.
    platform: PodPlatform = OWN_USER


def main_container(template: Object) -> str:
    """Name of the container that does the work: the first one. The others are sidecars."""
    containers = entries(template, "spec", "containers")
    return text(containers[0], "name") if containers else ""


def problem(template: Object) -> str:
    """Why a stage cannot run this template, in a sentence without its subject; empty where it can."""
    if size := too_large(template):
        return f"{size}: keep large texts in a ConfigMap"
    containers = entries(template, "spec", "containers")
    if not containers or not all(text(container, "name") and text(container, "image") for container in containers):
        return "names no container: write spec.containers with a name and an image"
    try:
        rendered = pod_template(template, PodNeeds())
    except InvalidTemplate as error:
        return f"cannot be merged: {error}"
    if main_container(rendered) == main_container(template):
        return ""
    return f"takes its first container {main_container(template)} away: leave it there"


def pod_template(user: Object, needs: PodNeeds) -> dict[str, Any]:
    """The whole template."""
    labels = {key: value for key, value in mapping(user, "metadata", "labels").items() if _is_users(key)}
    own = {**user, "metadata": {**mapping(user, "metadata"), "labels": labels}}
    enforced = {"metadata": {"labels": dict(needs.labels)}, "spec": {"restartPolicy": "Never"}}
    merged: dict[str, Any] = merge(merge(_base(mapping(user, "spec"), needs), own), enforced)
    return on_spot_nodes(merged, needs.spot_nodes) if needs.spot_nodes else merged


def _is_users(label: str) -> bool:
    return not label.startswith(f"{GROUP}/")


def _base(user: Object, needs: PodNeeds) -> dict[str, Any]:
    """What a stage needs beside what the user's spec says."""
    pulls = needs.pull_secrets and "imagePullSecrets" not in user
    main, *sidecars = entries(user, "containers") or ({},)
    memory = (needs.resources.memory if needs.resources else None) or MEMORY
    before = [_container(container, memory) for container in entries(user, "initContainers")]
    token = [collector_token.volume()] if needs.reads_collector else []
    spec = {
        # Service links would put MLFLOW_PORT and the like into the environment, where MLflow looks for settings.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {**_pod_security(user), **(needs.platform.files_group() if needs.volumes else {})},
        "volumes": [*_volumes(needs), *token, *needs.platform.volumes()],
        "containers": [
            {**_container(main, memory, _cpu_of(main, needs)), **_main(main, needs)},
            *(_container(sidecar, memory) for sidecar in sidecars),
        ],
        **({"initContainers": before} if before else {}),
        **({"imagePullSecrets": [{"name": secret} for secret in needs.pull_secrets]} if pulls else {}),
    }
    return {"spec": spec}


def _main(container: Object, needs: PodNeeds) -> dict[str, Any]:
    """What the container that does the work gets. The user's variables come after these, and may refer to them."""
    taken = {text(mount, "mountPath").rstrip("/") for mount in entries(container, "volumeMounts")}
    mounts = needs.volumes.mounts() if needs.volumes else [{"name": OUT_VOLUME, "mountPath": OUT_DIR}]
    given = needs.platform.container(proxies=True)
    return {
        **_TERMINATION,
        "env": [*given["env"], *needs.variables],
        "volumeMounts": [
            *(mount for mount in mounts if mount["mountPath"] not in taken),
            *([collector_token.mount()] if needs.reads_collector else []),
            *given["volumeMounts"],
        ],
    }


def _volumes(needs: PodNeeds) -> list[dict[str, Any]]:
    if needs.volumes is not None:
        return needs.volumes.volumes()
    return [{"name": OUT_VOLUME, "emptyDir": {"sizeLimit": OUT_SIZE}}]


def _pod_security(spec: Object) -> dict[str, Any]:
    """What the restricted Pod Security Standard asks of a pod, unless the user chose to run as root."""
    users = [dig(part, "securityContext", "runAsUser") for part in (spec, *entries(spec, "containers"))]
    return {**({} if 0 in users else {"runAsNonRoot": True}), "seccompProfile": {"type": "RuntimeDefault"}}


def _cpu_of(container: Object, needs: PodNeeds) -> str:
    """What it requests by default; empty where the user has written how much, or nothing is to be requested."""
    written = any(dig(container, "resources", part, "cpu") is not None for part in ("requests", "limits"))
    return "" if written or needs.resources is None else needs.resources.cpu or ""


def _container(container: Object, memory: str, cpu: str = "") -> dict[str, Any]:
    """What the standard asks of a container, and a limit of memory, unless the user wrote otherwise."""
    own = mapping(container, "securityContext")
    # A privileged container may not be held back, and who chooses capabilities chooses all of them.
    escalation = {} if own.get("privileged") is True else {"allowPrivilegeEscalation": False}
    capabilities = {} if "capabilities" in own else {"capabilities": {"drop": ["ALL"]}}
    named = names_memory(container)
    # A limit without a request would be the request as well.
    requests = {**({"cpu": cpu} if cpu else {}), **({} if named else {"memory": _REQUESTED})}
    limits = {} if named else {"limits": {"memory": memory}}
    return {
        "name": text(container, "name"),
        "securityContext": {**escalation, **capabilities},
        **({"resources": {"requests": requests, **limits}} if requests else {}),
    }
