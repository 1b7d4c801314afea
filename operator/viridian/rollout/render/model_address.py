"""The address of a model in the pods that fetch it: whole there, and without what may be a credential in the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from viridian.api.address import MODEL_URI_VARIABLE, shown
from viridian.api.kubelet_variables import literal
from viridian.api.names import FETCH_CONTAINER

Object = Mapping[str, Any]


def concealed(template: Object, uri: str) -> Object:
    """The pod template as it is recorded: for good, and where more people read than in Deployments."""
    return _replaced(template, literal(uri), literal(shown(uri)))


def completed(deployment: dict[str, Any], recorded: str, known: Iterable[Object]) -> dict[str, Any]:
    """The Deployment with the first whole address in these templates that is shown as the recorded one."""
    written = literal(recorded)
    found = (address for template in known for address in _addresses(template))
    whole = next((address for address in found if shown(address) == written), written)
    if whole == written:
        return deployment
    template = _replaced(deployment["spec"]["template"], written, whole)
    return {**deployment, "spec": {**deployment["spec"], "template": template}}


def _addresses(template: Object) -> Iterable[str]:
    for container in _fetching(template):
        for entry in container.get("env") or ():
            if entry.get("name") == MODEL_URI_VARIABLE and isinstance(entry.get("value"), str):
                yield entry["value"]


def _replaced(template: Object, before: str, after: str) -> Object:
    if before == after:
        return template
    containers = template["spec"].get("initContainers") or ()
    changed = [_with_address(container, before, after) for container in containers]
    return {**template, "spec": {**template["spec"], "initContainers": changed}}


def _with_address(container: Object, before: str, after: str) -> Object:
    if container.get("name") != FETCH_CONTAINER:
        return container
    old, new = {"name": MODEL_URI_VARIABLE, "value": before}, {"name": MODEL_URI_VARIABLE, "value": after}
    return {**container, "env": [new if entry == old else entry for entry in container.get("env") or ()]}


def _fetching(template: Object) -> Iterable[Object]:
    return (one for one in template["spec"].get("initContainers") or () if one.get("name") == FETCH_CONTAINER)
