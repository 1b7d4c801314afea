"""What holds for every field of the two kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.documents import document
from tests.support.manifests import model_deployment, retrain_policy
from tests.unit.api.schemas import Schema, completed, nodes
from viridian.api import cel_metrics, crd
from viridian.api.schema import INT_OR_STRING, PRESERVE_UNKNOWN, VALIDATIONS
from viridian.judgement.canary import ERROR_RATE, LATENCIES, SUCCESS_RATE

CRDS = Path(__file__).parents[3] / "crds"
MANIFESTS = {crd.MODEL_DEPLOYMENT_KIND.name: model_deployment, crd.RETRAIN_POLICY_KIND.name: retrain_policy}
KINDS = pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
FIELDS: list[tuple[str, Schema]] = [
    (f"{kind.name}{path}", schema)
    for kind in crd.KINDS
    for path, schema in nodes(crd.root_schema(kind))
    if path.startswith((".spec", ".status"))
]


def test_the_files_in_crds_are_what_the_types_render_to() -> None:
    written = {str(path.relative_to(CRDS)): path.read_text() for path in CRDS.rglob("viridian.dev_*.yaml")}
    assert written == crd.files(), "run `python -m viridian.api.crd`"


def test_every_field_has_a_sentence_for_kubectl_explain() -> None:
    # Items are described by the list or map that they stand in.
    described = [(path, schema.get("description", "")) for path, schema in FIELDS if not path.endswith(("[]", "{}"))]
    assert [path for path, sentence in described if not sentence.endswith(".")] == []


def test_every_text_list_and_map_is_bounded_so_that_rules_have_a_price() -> None:
    assert [path for path, schema in FIELDS if not _bounded(schema)] == []


def test_the_schemas_are_structural() -> None:
    foreign = {"$ref", "oneOf", "allOf", "nullable", "title", "pattern"}
    of_two = {path: schema for path, schema in FIELDS if schema.get(INT_OR_STRING)}
    assert [path for path, schema in FIELDS if foreign & set(schema)] == []
    assert [path for path, schema in FIELDS if "type" not in schema and path not in of_two] == []
    assert [path for path, schema in FIELDS if "anyOf" in schema and path not in of_two] == []
    assert all(schema["anyOf"] == [{"type": "integer"}, {"type": "string"}] for schema in of_two.values())


def test_unknown_fields_are_kept_inside_templates_and_manifests_only() -> None:
    kept = [path for path, schema in FIELDS if schema.get(PRESERVE_UNKNOWN)]
    in_manifests = {path.partition(".resource")[2] for path in kept if ".resource." in path}
    in_templates = {path.partition(".template")[2] for path in kept if ".resource." not in path}
    assert in_templates == {".spec", ".spec.containers[]", ".spec.initContainers[]"}
    assert in_manifests == {".manifest", ".manifest.metadata"}


def test_a_status_says_that_nobody_has_looked_and_has_no_other_default_and_no_rule() -> None:
    status = [(path, schema) for path, schema in FIELDS if ".status" in path]
    assert [path for path, schema in status if VALIDATIONS in schema] == []
    defaults = {path: schema["default"] for path, schema in status if "default" in schema}
    expected: dict[str, Any] = {}
    for kind in ("ModelDeployment", "RetrainPolicy"):
        expected |= {f"{kind}.status": {}, f"{kind}.status.observedGeneration": -1}
    assert defaults == expected


def test_lists_of_named_items_are_merged_by_name() -> None:
    keys = {path.partition(".")[2]: schema.get("x-kubernetes-list-map-keys") for path, schema in FIELDS}
    assert keys["spec.rollout.analysis.metrics"] == ["name"]
    assert keys["spec.gate.metrics"] == ["name"]
    assert keys["spec.triggers"] == ["name"]
    assert keys["spec.server.template.spec.containers"] == ["name"]
    assert keys["status.conditions"] == ["type"]
    assert keys["spec.rollout.steps"] is None, "steps are an order, and may lack names"


def test_every_rule_says_what_to_write() -> None:
    rules = [rule for _, schema in FIELDS for rule in schema.get(VALIDATIONS, ())]
    assert len(rules) > 40
    assert [rule for rule in rules if not 20 < len(rule["message"]) < 400 or "\n" in rule["message"]] == []


@KINDS
def test_schema_and_types_have_the_same_defaults(kind: crd.CustomKind) -> None:
    """An object that was stored before a field existed means the same as one that was stored after."""
    sparse = MANIFESTS[kind.name]("ml")["spec"]
    full = completed(sparse, crd.root_schema(kind)["properties"]["spec"])
    assert full != sparse
    assert msgspec.convert(full, kind.spec) == msgspec.convert(sparse, kind.spec)


@KINDS
def test_a_section_that_is_written_empty_means_its_defaults(kind: crd.CustomKind) -> None:
    spec = crd.root_schema(kind)["properties"]["spec"]
    sparse = MANIFESTS[kind.name]("ml")["spec"]
    sections = [name for name, schema in spec["properties"].items() if isinstance(schema.get("default"), dict)]
    assert sections
    for section in sections:
        absent = {name: value for name, value in sparse.items() if name != section}
        assert completed({**absent, section: {}}, spec) == completed(absent, spec)


@KINDS
def test_columns_show_fields_that_exist(kind: crd.CustomKind) -> None:
    known = {path for path, _ in nodes(crd.root_schema(kind))}
    for column in kind.columns:
        if column.path.startswith((".spec", ".status")) and "[?" not in column.path:
            assert column.path in known, column.name


@KINDS
def test_names_are_short_and_the_kind_can_be_listed_by_category(kind: crd.CustomKind) -> None:
    names: dict[str, Any] = document(crd.to_yaml(crd.render(kind)))["spec"]["names"]
    assert names["shortNames"] in (["md"], ["rp"])
    assert names["categories"] == ["viridian"]
    assert names["singular"] == names["kind"].lower()


def test_the_judge_knows_every_metric_that_a_manifest_may_name() -> None:
    assert set(cel_metrics.COUNTED) == {ERROR_RATE, SUCCESS_RATE, *LATENCIES}


def _bounded(schema: Schema) -> bool:
    bounds = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}}
    wanted = {"maxProperties"} if "additionalProperties" in schema else bounds.get(schema.get("type", "string"), set())
    return not wanted or bool(wanted & set(schema))
