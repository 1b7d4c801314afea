"""Predictions and outcomes as Arize takes them: held to Arize's own rules, kept as Parquet, and sent where a key is.

Outcomes come late, so they are a table of their own, which Arize joins by the id of the prediction.
"""

import os
import sys
from pathlib import Path

import pandas as pd
from arize import ArizeClient
from arize.exceptions.auth import AuthenticationError
from arize.exceptions.http import APIError
from arize.ml.types import Environments, Schema
from arize_rules import KIND, MODEL, broken_rules

from viridian import training
from viridian.training import feedback


def send(table: pd.DataFrame, schema: Schema, version: str) -> None:
    """Arize that is away keeps no run from training: the file stays in the volume, and the next run sends its rows."""
    place = {"space_id": os.environ["ARIZE_SPACE_ID"], "model_name": MODEL, "model_version": version}
    kind = {"model_type": KIND, "environment": Environments.PRODUCTION}
    try:
        ArizeClient().ml.log(dataframe=table, schema=schema, timeout=60, **place, **kind)
    except (OSError, APIError, AuthenticationError) as error:
        print(f"not sent to Arize: {type(error).__name__}", file=sys.stderr)


if (rows := feedback.rows()) is None:
    sys.exit(0)
features = [name for name in rows.columns if name.startswith("features.")]
predicted = {"timestamp_column_name": "time", "prediction_label_column_name": "prediction"}
shown = {"prediction_score_column_name": "score", "tag_column_names": ["revision", "slot"]}
key = {"prediction_id_column_name": "prediction_id"}
tables = {
    "predictions": (rows, Schema(**key, **predicted, **shown, feature_column_names=features)),
    "outcomes": (rows.dropna(subset=["outcome"]), Schema(**key, actual_label_column_name="outcome")),
}
for name, (table, schema) in tables.items():
    for version, part in table.groupby("version"):
        found = part[list(schema.get_used_columns_counts())].reset_index(drop=True)
        if broken := broken_rules(found, schema, version):
            raise training.DataNotGoodEnough(f"arize: {name} of version {version}: {', '.join(sorted(broken))}")
        found.to_parquet(Path(os.environ["VIRIDIAN_OUT_DIR"]) / f"{name}-{version}.parquet", index=False)
        if "ARIZE_API_KEY" in os.environ:
            send(found, schema, version)
