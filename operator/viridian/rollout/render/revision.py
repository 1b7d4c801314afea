"""The identity of what a slot runs: a short hash over what the user asked for and the model that it came to.

The operator's own defaults are no part of it. So an upgrade of the operator restarts nothing: the record of a
revision holds the template as it was rendered when the revision was first seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from viridian.api.features import ModelFeatures
from viridian.api.model_source import ModelSignature
from viridian.api.modeldeployment import Server
from viridian.api.names import short_hash
from viridian.rollout.records import ServedModel


def revision_of(
    model: ServedModel,
    server: Server,
    restart: str,
    signature: ModelSignature | None = None,
    collecting: Mapping[str, Any] | None = None,
    features: ModelFeatures | None = None,
) -> str:
    """Eight hexadecimal digits; equal specs have equal revisions, on every computer and in every release.

    The number of replicas does not count: scaling is no new revision. The port does, since the container listens on it,
    and so do the keys of a required signature: a stricter requirement is tried beside the champion. So does what the
    pods send to the collector (`collector_config`), and the definition of features that they are started with.
    """
    identity: dict[str, Any] = {
        "model": model.digest or model.uri,
        "version": model.version,
        "runtime": str(server.runtime),
        "port": server.port,
        "template": server.template,
        "restart": restart,
    }
    if signature is not None:
        keys = signature.public_key_secret_ref
        identity["signature"] = [signature.required, keys.name, keys.key]
    if collecting:
        identity["collecting"] = collecting
    if features is not None:
        identity["features"] = [features.ref, features.digest]
    return short_hash(json.dumps(identity, sort_keys=True, separators=(",", ":"), default=str))
