"""Arize's own rules for rows, as its client checks them before it sends any: here without a key and without sending."""

import os

import pandas as pd
import pyarrow as pa
from arize.ml.batch_validation.validator import Validator
from arize.ml.types import Environments, ModelTypes, Schema

KIND, MODEL, OLDEST_YEARS = ModelTypes.BINARY_CLASSIFICATION, os.environ["VIRIDIAN_MODEL_NAME"], 5


def broken_rules(table: pd.DataFrame, schema: Schema, version: str) -> set[str]:
    """Names of the rules that do not hold. Arize's sentences about them are left out: some hold values of rows."""
    asked = {"dataframe": table, "schema": schema, "environment": Environments.PRODUCTION}
    named = {"model_id": MODEL, "model_version": version, "batch_id": ""}
    found = (
        Validator.validate_required_checks(**asked, **named)
        or Validator.validate_params(**asked, **named, model_type=KIND, metric_families=None)
        or Validator.validate_types(
            model_type=KIND, schema=schema, pyarrow_schema=pa.Table.from_pandas(table, preserve_index=False).schema
        )
        or Validator.validate_values(**asked, model_type=KIND, max_past_years=OLDEST_YEARS)
    )
    return {type(one).__name__ for one in found}
