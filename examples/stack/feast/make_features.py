"""Feast as the stage that makes features: rows of the past to train on, and a look whether serving sees what they say.

The definition must be the one that servers are started with, and is pinned on the version. What `feast serve` answers
must equal the offline rows of now.
"""

import math
import os
from pathlib import Path

import definition
import pandas as pd
import requests
from feast import FeatureStore

from viridian.api.stage import StageReport
from viridian.training import stage_exit

SERVICE, SERVED = os.environ["VIRIDIAN_FEATURES_REF"], os.environ["VIRIDIAN_FEATURES_DIGEST"]
store, out = FeatureStore(os.environ["FEAST_REPOSITORY"]), Path(os.environ["VIRIDIAN_OUT_DIR"])

digest = definition.digest_of(store, SERVICE)
if SERVED and digest != SERVED:
    raise stage_exit.DataNotGoodEnough(f"the definition of {SERVICE} is {digest}; servers are started with {SERVED}")

service = store.get_feature_service(SERVICE)
names = [field.name for view in service.feature_view_projections for field in view.features]
past = pd.read_csv(os.environ["VIRIDIAN_DATA_URI"], parse_dates=["event_timestamp"])
store.get_historical_features(past, features=service).to_df().to_csv(out / "features.csv", index=False)

customers = past[["customer_id"]].drop_duplicates().assign(event_timestamp=pd.Timestamp.now("UTC"))
offline = store.get_historical_features(customers, features=service).to_df().set_index("customer_id")
question = {"feature_service": SERVICE, "entities": {"customer_id": offline.index.tolist()}}
answer = requests.post(f"{os.environ['FEAST_SERVER']}/get-online-features", json=question, timeout=60)
answer.raise_for_status()
online = answer.json()
served = {name: one["values"] for name, one in zip(online["metadata"]["feature_names"], online["results"], strict=True)}


def equal(trained: float, answered: float | None) -> bool:
    """A feature that a customer does not have is NaN offline and null online."""
    return math.isnan(trained) if answered is None else math.isclose(trained, answered, rel_tol=1e-9)


if unequal := [name for name in names if not all(map(equal, offline[name], served[name]))]:
    raise stage_exit.DataNotGoodEnough(f"offline and online features differ: {', '.join(unequal)}; materialize them")
counted = {"features.rows": float(len(past)), "features.compared": float(len(offline))}
stage_exit.write(StageReport(metrics=counted, features=digest))
