"""A team's validation by Great Expectations, as a stage. Runs in the environment of locks/expectations.txt.

python rows_suite.py rows.csv
"""

import sys

import great_expectations as gx
import pandas as pd

from viridian.training import expectations

context = gx.get_context(mode="ephemeral")
rows = context.data_sources.add_pandas("files").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
suite = context.suites.add(gx.ExpectationSuite(name="rows"))
suite.add_expectation(gx.expectations.ExpectTableRowCountToBeBetween(min_value=2))
suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="age"))
suite.add_expectation(gx.expectations.ExpectColumnValuesToBeInSet(column="country", value_set=["fr", "de"]))
suite.add_expectation(gx.expectations.ExpectColumnMeanToBeBetween(column="age", min_value=18))
validation = context.validation_definitions.add(gx.ValidationDefinition(name="rows", data=rows, suite=suite))
checkpoint = context.checkpoints.add(gx.Checkpoint(name="rows", validation_definitions=[validation]))
expectations.end_stage(checkpoint.run(batch_parameters={"dataframe": pd.read_csv(sys.argv[1])}))
