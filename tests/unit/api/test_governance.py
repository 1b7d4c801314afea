"""GovernancePolicies: the file of their admission policies, and that every demand is asked about."""

from __future__ import annotations

from pathlib import Path

import msgspec

from viridian.api.gate_spec import GateRule
from viridian.api.governance import Demands
from viridian.api.governance_admission import DEMANDS, FILE, RULES, manifests, text

FOLDER = Path(__file__).parents[3] / "manifests" / "components" / "governance"


def test_the_file_is_what_is_written() -> None:
    assert (FOLDER / FILE).read_text() == text(), "run `python -m viridian.api.governance_admission`"


def test_every_demand_of_the_schema_is_asked_about() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(Demands)}
    asked = {name for name in fields for demand in DEMANDS if f"r.require.{name}" in demand.made + demand.kept}
    assert asked == fields


def test_the_gate_rules_have_an_order() -> None:
    assert sorted(RULES) == sorted(GateRule)


def test_what_is_refused_and_what_is_warned_of_is_asked_in_the_same_way() -> None:
    refuses, _, warns, _ = manifests()
    assert refuses["spec"]["variables"][0] == warns["spec"]["variables"][0]
    assert refuses["spec"]["matchConstraints"] == warns["spec"]["matchConstraints"]
