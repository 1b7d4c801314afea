"""Great Expectations as a stage: `python check.py ingested` before features are made, `python check.py features` after.

The last line ends the stage with its exit code, and with a report that names what does not hold.
"""

import os
import sys
from pathlib import Path

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from viridian.training import expectations

INGESTED = [
    gxe.ExpectTableRowCountToBeBetween(min_value=100),
    gxe.ExpectColumnValuesToNotBeNull(column="age"),
    gxe.ExpectColumnValuesToBeInSet(column="country", value_set=["de", "fr"]),
]
FEATURES = [
    gxe.ExpectColumnValuesToBeBetween(column="orders_per_month", min_value=0, max_value=100),
    gxe.ExpectColumnMeanToBeBetween(column="orders_per_month", min_value=0.5, max_value=10),
]


def features(customers: pd.DataFrame) -> pd.DataFrame:
    """What training is given. An account of zero months makes an infinite rate, which no rule on the rows finds."""
    return customers.assign(orders_per_month=customers["orders"] / customers["months"])


rows, asked = pd.read_csv(os.environ["VIRIDIAN_DATA_URI"]), INGESTED
if sys.argv[1] == "features":
    rows, asked = features(rows), FEATURES
    rows.to_csv(Path(os.environ["VIRIDIAN_OUT_DIR"]) / "features.csv", index=False)

context = gx.get_context(mode="ephemeral")
batch = context.data_sources.add_pandas("files").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
suite = context.suites.add(gx.ExpectationSuite(name=sys.argv[1], expectations=asked))
validation = context.validation_definitions.add(gx.ValidationDefinition(name=sys.argv[1], data=batch, suite=suite))
expectations.end_stage(validation.run(batch_parameters={"dataframe": rows}))
