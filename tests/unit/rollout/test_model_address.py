"""The address of a model: whole in the pods that fetch it, without its query everywhere else, or from a Secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import manifest
from tests.support.operator_world import OperatorWorld
from viridian.api.names import MODEL_DEPLOYMENT, RESTART_ANNOTATION

PLACE = "https://models.example/churn.tar.gz"
FIRST, RENEWED = f"{PLACE}?X-Amz-Signature=PLANTEDSIG88", f"{PLACE}?X-Amz-Signature=PLANTEDSIG99"


@pytest.fixture
def world() -> Iterator[OperatorWorld]:
    with closing(OperatorWorld()) as made:
        yield made


def model(uri: str, content: str = "1") -> dict[str, str]:
    return {"uri": uri, "digest": f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"}


def served(world: OperatorWorld, source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Deployment, once the model serves."""
    found = manifest()
    found["spec"]["model"] = dict(source)
    world.cluster.create(found)
    assert world.run(120, until=lambda: "champion" in status(world))
    world.rest()
    return deployment(world)


def edit(world: OperatorWorld, source: Mapping[str, Any]) -> None:
    world.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"].update(model=dict(source)))


def status(world: OperatorWorld) -> Mapping[str, Any]:
    return (world.cluster.find(MODEL_DEPLOYMENT, "churn") or {}).get("status") or {}


def deployment(world: OperatorWorld, slot: str = "blue") -> Mapping[str, Any]:
    return dict(world.cluster.find("Deployment", f"churn-{slot}") or {})


def told(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variable of the init step."""
    (fetch,) = found["spec"]["template"]["spec"]["initContainers"]
    return next(entry for entry in fetch["env"] if entry["name"] == "VIRIDIAN_MODEL_URI")


def everything_else(world: OperatorWorld) -> str:
    """All objects but those whose business the whole address is: the spec, the pods and what they are made of."""
    kinds = (MODEL_DEPLOYMENT, "Deployment", "ReplicaSet", "Pod", "ControllerRevision", "Service")
    of_their_own = {MODEL_DEPLOYMENT, "Deployment", "ReplicaSet", "Pod"}
    kept = [
        {**found, "spec": None} if kind in of_their_own else found
        for kind in kinds
        for found in world.cluster.all(kind)
    ]
    return json.dumps([kept, world.cluster.events()], default=str)


def test_the_query_is_known_to_the_pods_alone(world: OperatorWorld) -> None:
    assert told(served(world, model(FIRST)))["value"] == FIRST
    assert status(world)["champion"]["uri"] == f"{PLACE}?…"
    assert f"{PLACE}?\\u2026" in everything_else(world)
    assert "PLANTED" not in everything_else(world)


def test_an_address_with_a_sign_that_the_kubelet_reads(world: OperatorWorld) -> None:
    odd = "https://models.example/$(HOME)/$1.tar.gz?sig=$(PLANTEDSIG88)"
    before = served(world, model(odd))
    assert told(before)["value"] == odd.replace("$", "$$")
    assert "PLANTED" not in everything_else(world)
    world.cluster.remove("Deployment", "churn-blue")
    assert world.run(60, until=lambda: bool(deployment(world)))
    assert told(deployment(world))["value"] == odd.replace("$", "$$")


def test_a_restart_of_the_operator_changes_nothing(world: OperatorWorld) -> None:
    before = served(world, model(FIRST))
    world.restart()
    world.run(120)
    assert deployment(world) == before


def test_a_deleted_deployment_is_made_again_with_the_whole_address(world: OperatorWorld) -> None:
    served(world, model(FIRST))
    world.cluster.remove("Deployment", "churn-blue")
    assert world.run(60, until=lambda: bool(deployment(world)))
    assert told(deployment(world))["value"] == FIRST


def test_another_signature_restarts_nobody_and_a_restart_takes_it(world: OperatorWorld) -> None:
    before = served(world, model(FIRST))
    edit(world, model(RENEWED))
    world.run(120)
    assert deployment(world)["spec"] == before["spec"]
    world.cluster.annotate(MODEL_DEPLOYMENT, "churn", **{RESTART_ANNOTATION: "now"})
    assert world.run(600, until=lambda: bool(deployment(world, "green")))
    assert told(deployment(world, "green"))["value"] == RENEWED
    assert "PLANTED" not in everything_else(world)


def test_the_fallback_keeps_its_address(world: OperatorWorld) -> None:
    served(world, model(FIRST))
    other = "https://models.example/next.tar.gz?sig=PLANTEDOTHER"
    edit(world, model(other, "2"))
    assert world.run(3000, until=lambda: status(world).get("champion", {}).get("uri", "").endswith("next.tar.gz?…"))
    world.restart()
    world.run(60)
    assert told(deployment(world))["value"] == FIRST
    assert told(deployment(world, "green"))["value"] == other
    assert "PLANTED" not in everything_else(world)


def test_an_address_in_a_secret_is_read_by_the_init_step_alone(world: OperatorWorld) -> None:
    source = {"uriSecretRef": {"name": "churn-model", "key": "address"}, "digest": model("")["digest"]}
    found = served(world, source)
    assert told(found) == {
        "name": "VIRIDIAN_MODEL_URI",
        "valueFrom": {"secretKeyRef": {"name": "churn-model", "key": "address"}},
    }
    assert status(world)["champion"]["uri"] == "secret:churn-model/address"


def test_the_same_model_at_another_place_is_no_other_revision(world: OperatorWorld) -> None:
    """A model without a registry is its digest."""
    served(world, {"uriSecretRef": {"name": "churn-model"}, "digest": model("")["digest"]})
    edit(world, {"uriSecretRef": {"name": "renewed"}, "digest": model("")["digest"]})
    world.run(120)
    assert not deployment(world, "green")
    assert told(deployment(world))["valueFrom"]["secretKeyRef"]["name"] == "churn-model"
