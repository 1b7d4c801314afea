"""The identity of a feature service: the same digest for the same definition, however often it was applied.

python definition.py <repository> <service>
"""

import hashlib
import json
import sys
from typing import Any

from feast import FeatureStore
from google.protobuf.json_format import MessageToDict

OF_APPLYING = ("meta", "createdTimestamp", "lastUpdatedTimestamp")
"""Parts that change whenever `feast apply` runs."""


def digest_of(store: FeatureStore, service: str) -> str:
    """`sha256:` and the digest of the service, its views and their entities, as the registry has them."""
    found = store.get_feature_service(service)
    views = [store.get_feature_view(one.name) for one in found.feature_view_projections]
    entities = {name: store.get_entity(name) for view in views for name in view.entities}
    parts = [found, *views, *(entities[name] for name in sorted(entities))]
    document = [without_times(MessageToDict(part.to_proto().spec)) for part in parts]
    return f"sha256:{hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()}"


def without_times(part: Any) -> Any:
    """The part without what applying it writes into it."""
    if isinstance(part, dict):
        return {name: without_times(inner) for name, inner in part.items() if name not in OF_APPLYING}
    return [without_times(inner) for inner in part] if isinstance(part, list) else part


if __name__ == "__main__":
    print(digest_of(FeatureStore(sys.argv[1]), sys.argv[2]))
