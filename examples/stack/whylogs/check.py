"""whylogs as a stage: a profile of the rows, and constraints on it. Nothing is uploaded: the platform has ended."""

import os
from pathlib import Path

os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import adapter
import pandas as pd
import whylogs
from whylogs.core.constraints import ConstraintsBuilder
from whylogs.core.constraints.factories import (
    frequent_strings_in_reference_set,
    greater_than_number,
    no_missing_values,
)

CONSTRAINTS = [
    no_missing_values(column_name="age"),
    greater_than_number(column_name="age", number=0),
    frequent_strings_in_reference_set(column_name="country", reference_set={"de", "fr"}),
]

profile = whylogs.log(pd.read_csv(os.environ["VIRIDIAN_DATA_URI"])).view()
profile.write(str(Path(os.environ["VIRIDIAN_OUT_DIR"]) / "profile.bin"))
asked = ConstraintsBuilder(profile)
for constraint in CONSTRAINTS:
    asked.add_constraint(constraint)
adapter.end_stage(asked.build().generate_constraints_report())
