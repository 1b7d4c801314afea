"""An entry of the trail as a CloudEvent in the structured mode of its JSON format, version 1.0.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT
from viridian.core.alert_labels import about
from viridian.trail.trail_entry import TrailEntry

MEDIA_TYPE: Final = "application/cloudevents+json"
_PREFIX: Final = "dev.viridian"
_PLURALS: Final = {MODEL_DEPLOYMENT: "modeldeployments"}
_OTHER_PLURAL: Final = "retrainpolicies"


def cloud_event(entry: TrailEntry, kind: str, namespace: str, name: str, uid: str, manifest: Any) -> dict[str, Any]:
    """The document. The same entry has the same id each time; `sequence` is its number, from 1 for each object.

    `manifest`: the object, as far as it is there still.
    """
    plural = _PLURALS.get(kind, _OTHER_PLURAL)
    return {
        "specversion": "1.0",
        "id": f"{uid}.{entry.key}",
        "source": f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}/{name}",
        "type": f"{_PREFIX}.{kind.lower()}.{entry.what}",
        "subject": f"{namespace}/{name}",
        "time": entry.at,
        "datacontenttype": "application/json",
        "partitionkey": uid,
        "sequence": str(entry.number),
        "sequencetype": "Integer",
        "data": _data(entry, {"kind": kind, "namespace": namespace, "name": name, **about(kind, name, manifest)}),
    }


def _data(entry: TrailEntry, whose: Mapping[str, str]) -> dict[str, Any]:
    shown = {"what": entry.what, "by": entry.by, "message": entry.message, "changed": list(entry.changed)}
    more = {"generation": entry.generation} if entry.generation else {}
    return {**whose, **{name: value for name, value in shown.items() if value}, **more}
