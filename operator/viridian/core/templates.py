"""What a pod template may say where templates are limited to resources, scheduling and plain environment.

An allow-list: what is not known to be harmless is named with its path. The admission policies for ModelDeployments and
RetrainPolicies hold the same rules in CEL, and tests hold both to one table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from viridian.api.modeldeployment import Runtime, Server
from viridian.api.names import FETCH_CONTAINER, SERVER_CONTAINER
from viridian.api.run_stages import Stage
from viridian.api.stage import stage_place

Object = Mapping[str, Any]

SCHEDULING: Final = ("affinity", "nodeSelector", "priorityClassName", "tolerations", "topologySpreadConstraints")
_RESOURCES: Final = ("limits", "requests")
_PREFIXES: Final = ("app.kubernetes.io/", "prometheus.io/")
"""Labels and annotations with any other prefix may make somebody else change the pod, or inject a container."""
_DECIDES: Final = re.compile(
    "^(VIRIDIAN_.*|MLFLOW_.*|PYTHON.*|LD_.*|GLIBC_.*|MALLOC_.*|SSL.*|OPENSSL_.*|REQUESTS_.*|CURL_.*|AWS_.*|AZURE_.*|"
    "GOOGLE_.*|KUBE.*|PATH|HOME|ENV|BASH_ENV|NETRC|.*_(PROXY|proxy))$"
)
"""Variables that decide what is run, or where something is sent."""
_TUNES: Final = re.compile("^VIRIDIAN_(MAX_[A-Z_]+|(DRAIN|GRACE|READ|PREDICT)_SECONDS|ACCESS_LOG)$")


class Templates(StrEnum):
    """What pod templates may say."""

    ANY = "any"
    RESOURCES_ONLY = "resources-only"


@dataclass(frozen=True, slots=True)
class TemplateRules:
    """What this operator takes of templates."""

    allowed: Templates = Templates.ANY
    # Images that stages may run where templates are limited; one that ends in `*` stands for all that begin so.
    stage_images: tuple[str, ...] = ()


NO_LIMITS: Final = TemplateRules()


def of_server(server: Server, rules: TemplateRules) -> str:
    """What of the server's template is not allowed, in a sentence; empty where all of it is."""
    if rules.allowed is Templates.ANY:
        return ""
    found = [*_of_server(server)]
    return _sentence("spec.server", found) if found else ""


def of_stage(stage: Stage, name: str, rules: TemplateRules) -> str:
    """What of a stage's template is not allowed, in a sentence; empty where all of it is."""
    if rules.allowed is Templates.ANY:
        return ""
    if stage.resource is not None:
        place = f"spec.stages.{name}.resource"
        return f"this operator takes no resource of stages (--templates=resources-only): remove {place}"
    if stage.template is None:
        return ""
    found = [*_of_stage(stage.template, rules.stage_images)]
    return _sentence(f"spec.{stage_place(name)}.template", found) if found else ""


def _sentence(place: str, paths: Sequence[str]) -> str:
    return (
        f"this operator takes resources, scheduling and plain environment variables of a pod template alone "
        f"(--templates=resources-only): remove {', '.join(f'{place}.{path}' for path in paths)}"
    )


def _of_server(server: Server) -> Iterator[str]:
    if server.runtime is Runtime.CUSTOM:
        yield "runtime: Custom"
    lists = {"containers": SERVER_CONTAINER, "initContainers": FETCH_CONTAINER}
    for path in _of_pod(server.template, tuple(lists)):
        yield f"template.{path}"
    for name, known in lists.items():
        for container in _entries(server.template, name):
            for path in _of_container(container, ("name",), known):
                yield f"template.spec.{name}{path}"


def _of_stage(template: Object, images: Sequence[str]) -> Iterator[str]:
    yield from _of_pod(template, ("containers",))
    for number, container in enumerate(_entries(template, "containers")):
        known = str(container.get("name"))
        if number > 0:
            yield f"spec.containers[{known}]"
            continue
        if not any(_matches(str(container.get("image")), image) for image in images):
            yield f"spec.containers[{known}].image"
        for path in _of_container(container, ("name", "image"), known):
            yield f"spec.containers{path}"


def _of_pod(template: Object, lists: Sequence[str]) -> Iterator[str]:
    metadata, spec = template.get("metadata"), template.get("spec")
    for field, content in (metadata or {}).items() if isinstance(metadata, Mapping) else ():
        keys = content if field in ("labels", "annotations") and isinstance(content, Mapping) else (f"{field}/",)
        if not all(_is_plain(str(key)) for key in keys):
            yield f"metadata.{field}"
    for field, content in (spec or {}).items() if isinstance(spec, Mapping) else ():
        reserved = field == "priorityClassName" and str(content).startswith("system-")
        if content is None or reserved or field not in (*SCHEDULING, *lists):
            yield f"spec.{field}"


def _of_container(container: Object, fields: Sequence[str], known: str) -> Iterator[str]:
    name = container.get("name")
    if name != known:
        yield f"[{name}]"
        return
    for field, content in container.items():
        if field in fields:
            continue
        if not _FIELDS.get(field, _never)(content):
            yield f"[{name}].{field}"


def _are_resources(content: Any) -> bool:
    return isinstance(content, Mapping) and all(
        key in _RESOURCES and isinstance(value, Mapping) for key, value in content.items()
    )


def _is_environment(content: Any) -> bool:
    return isinstance(content, list) and all(map(_is_plain_variable, content))


def _is_plain_variable(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or set(entry) != {"name", "value"}:
        return False
    name, value = entry["name"], entry["value"]
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    return _TUNES.match(name) is not None or _DECIDES.match(name) is None


def _never(_: Any) -> bool:
    return False


_FIELDS: Final = {"resources": _are_resources, "env": _is_environment}


def _is_plain(key: str) -> bool:
    return "/" not in key or key.startswith(_PREFIXES)


def _matches(image: str, allowed: str) -> bool:
    return image.startswith(allowed.removesuffix("*")) if allowed.endswith("*") else image == allowed


def _entries(template: Object, name: str) -> Iterator[Object]:
    spec = template.get("spec")
    found = spec.get(name) if isinstance(spec, Mapping) else None
    yield from (entry for entry in (found if isinstance(found, list) else ()) if isinstance(entry, Mapping))
