"""Nothing in an object of ours grows without a bound: what is written there stands in records and messages again."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.snapshots import SETTINGS, model
from tests.unit.api.schemas import nodes
from tests.unit.retraining.world import World, policy
from viridian.api import crd
from viridian.api.modeldeployment import Server
from viridian.api.podtemplate import MAX_BYTES, too_large
from viridian.api.schema import PRESERVE_UNKNOWN
from viridian.core.strategic_merge import InvalidTemplate
from viridian.rollout.render.pod_template import pod_template

LARGE = {"metadata": {"annotations": {f"a{number}": "x" * 65536 for number in range(5)}}}


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: str(kind.name))
def test_what_is_kept_as_it_is_written_has_a_bound_too(kind: crd.CustomKind) -> None:
    open_ = [schema for _, schema in nodes(crd.root_schema(kind)) if schema.get(PRESERVE_UNKNOWN)]
    assert open_
    assert {schema["maxProperties"] for schema in open_} == {64}
    pods = [schema["properties"] for schema in open_ if "containers" in schema["properties"]]
    assert {pod["serviceAccountName"]["maxLength"] for pod in pods} == {253}


def test_a_template_that_is_too_large_is_refused_in_words() -> None:
    assert too_large({}) == ""
    assert too_large({"a": "x" * (MAX_BYTES - 8)}) == ""
    with pytest.raises(InvalidTemplate, match=r"server.template is .* bytes long, and may have 262144"):
        pod_template("churn", model("1"), msgspec.convert({"template": LARGE}, Server), SETTINGS)


def test_a_stage_that_is_too_large_is_refused_in_words() -> None:
    world = World(policy=policy()).serve("3")
    world.policy["spec"]["stages"]["training"]["template"]["metadata"] = LARGE["metadata"]
    world.settle()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "keep large texts in a ConfigMap" in world.message("Stalled")
