"""The address of a model in the pods that fetch it: whole there, and without what may be a credential in the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from viridian.api.address import MODEL_URI_VARIABLE, shown
from viridian.api.kubelet_variables import literal
from viridian.api.names import FETCH_CONTAINER
from viridian.core.container_variables import values, with_value

Object = Mapping[str, Any]


def concealed(template: Object, uri: str) -> Object:
    """The pod template as it is recorded: for good, and where more people read than in Deployments."""
    return with_value(template, FETCH_CONTAINER, MODEL_URI_VARIABLE, literal(uri), literal(shown(uri)))


def completed(deployment: dict[str, Any], known: Iterable[Object]) -> dict[str, Any]:
    """The Deployment with the first whole address in these templates that is shown as its own."""
    template = deployment["spec"]["template"]
    written = next(values(template, FETCH_CONTAINER, MODEL_URI_VARIABLE), "")
    found = (address for one in known for address in values(one, FETCH_CONTAINER, MODEL_URI_VARIABLE))
    whole = next((address for address in found if shown(address) == written), written)
    template = with_value(template, FETCH_CONTAINER, MODEL_URI_VARIABLE, written, whole)
    return {**deployment, "spec": {**deployment["spec"], "template": template}}
