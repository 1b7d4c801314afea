"""Both ways to install, rendered into objects that can be compared."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from localcluster.binaries import binary
from localcluster.builder import ensure
from tests.support.documents import documents

ROOT = Path(__file__).resolve().parents[3]
Object = dict[str, Any]
Identity = tuple[str, str, str]

# What each way adds about itself.
_OWN_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")
_OWN_ANNOTATIONS = ("helm.sh/resource-policy",)


@cache
def _tool(name: str) -> str:
    ensure([name])
    return str(binary(name).path)


def _objects(text: str) -> list[Object]:
    return [document for document in documents(text) if document]


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


_output_once = cache(_output)
"""Of a command that reads nothing but the repository's own files."""


def kustomize(folder: str) -> list[Object]:
    output = _output if Path(folder).is_absolute() else _output_once
    objects = _objects(output(_tool("kubectl"), "kustomize", folder))
    for object_ in objects:
        if object_["kind"].startswith("ValidatingAdmissionPolicy"):
            # kustomize takes them for objects of a namespace; the API server, which knows better, drops it.
            object_["metadata"].pop("namespace", None)
    return objects


REGISTRY = "image.registry=viridian"
"""As on a node that has the images loaded; the manifests name the same."""


def helm(namespace: str, *settings: str, release: str = "viridian", values: Path | None = None) -> list[Object]:
    files = ["--values", str(values)] if values else []
    flags = [flag for setting in (REGISTRY, *settings) for flag in ("--set", setting)]
    output = _output if files else _output_once
    return _objects(
        output(_tool("helm"), "template", release, "charts/viridian", "--namespace", namespace, *files, *flags)
    )


def helm_refusal(*settings: str) -> str:
    """What Helm says of values that it does not take."""
    flags = [flag for setting in settings for flag in ("--set", setting)]
    command = [_tool("helm"), "template", "viridian", "charts/viridian", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode != 0, "the values were accepted"
    return done.stderr


def by_identity(objects: list[Object]) -> dict[Identity, Object]:
    found = {_identity(object_): _normal(object_) for object_ in objects}
    assert len(found) == len(objects), "an object was rendered twice"
    return found


def _identity(object_: Object) -> Identity:
    return object_["kind"], object_["metadata"].get("namespace", ""), object_["metadata"]["name"]


def _normal(object_: Object) -> Object:
    """The object without what tells the two ways apart, and with references to its own namespace followed."""
    namespace = object_["metadata"].get("namespace", "")
    return dict(_without_own(object_, namespace))


def _without_own(value: Any, namespace: str) -> Any:
    if isinstance(value, list):
        return sorted((_without_own(item, namespace) for item in value), key=_order)
    if not isinstance(value, Mapping):
        return value
    if value.get("valueFrom") == {"fieldRef": {"fieldPath": "metadata.namespace"}}:
        return {"name": value["name"], "value": namespace}
    kept = {
        key: _without_own(item, namespace)
        for key, item in value.items()
        if key not in (*_OWN_LABELS, *_OWN_ANNOTATIONS)
    }
    return {key: item for key, item in kept.items() if not (key in ("annotations", "labels") and item == {})}


def _order(item: Any) -> str:
    return json.dumps(item, sort_keys=True)
