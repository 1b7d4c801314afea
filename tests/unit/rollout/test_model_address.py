"""The address of a model: whole in the pods that fetch it, without its query everywhere else, or from a Secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import manifest
from tests.support.cluster.deployments import fetch_fails
from tests.support.operator_world import OperatorWorld
from viridian.api import reasons
from viridian.api.names import MODEL_DEPLOYMENT, RESTART_ANNOTATION
from viridian.api.registry import TAG_DIGEST

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


def pods_get_their_model(world: OperatorWorld, source: str) -> None:
    """From now on only pods that ask there do; the former place is empty."""

    def fares(type_: str, found: Mapping[str, Any]) -> None:
        if (type_, found["kind"]) != ("ADDED", "Pod"):
            return
        (fetch,) = found["spec"]["initContainers"]
        asked = next(entry for entry in fetch["env"] if entry["name"] == "VIRIDIAN_MODEL_URI")
        if asked["value"] != source:
            gone = fetch_fails(f"ModelUnavailable: there are no files at {asked['value']}")
            world.cluster.readiness[found["metadata"]["name"]] = gone

    world.cluster.on_change.append(fares)


def places(world: OperatorWorld) -> set[str]:
    """Where pods get their model."""
    return {told({"spec": {"template": pod}})["value"] for pod in world.cluster.all("Pod")}


def lose_a_pod(world: OperatorWorld) -> None:
    world.cluster.remove("Pod", world.cluster.all("Pod")[0]["metadata"]["name"])


def addresses_current(world: OperatorWorld) -> Mapping[str, Any] | None:
    return next((one for one in status(world).get("conditions", ()) if one["type"] == reasons.ADDRESSES_CURRENT), None)


def test_another_signature_is_taken_by_a_pod_that_is_made_anew(world: OperatorWorld) -> None:
    """The former one ends by itself, and then no pod gets its model by it."""
    served(world, model(FIRST))
    edit(world, model(RENEWED))
    pods_get_their_model(world, RENEWED)
    world.run(30)
    assert addresses_current(world) is None, "nobody is told of a signature"
    lose_a_pod(world)
    assert world.run(120, until=lambda: places(world) == {RENEWED})
    world.run(60)
    assert places(world) == {RENEWED}
    assert "PLANTED" not in everything_else(world)


def test_the_same_model_at_another_address_is_named_and_taken_by_a_pod_that_is_made_anew(world: OperatorWorld) -> None:
    served(world, model(FIRST))
    moved = "https://elsewhere.example/churn.tar.gz?sig=PLANTEDOTHER"
    edit(world, model(moved))
    pods_get_their_model(world, moved)
    assert world.run(60, until=lambda: addresses_current(world) is not None)
    assert places(world) == {FIRST}
    message = (addresses_current(world) or {})["message"]
    assert f"keep the model at {PLACE}?… (now https://elsewhere.example/churn.tar.gz?…)" in message
    lose_a_pod(world)
    assert world.run(120, until=lambda: places(world) == {moved})
    world.restart()
    world.run(60)
    assert (places(world), addresses_current(world)) == ({moved}, None)
    assert not deployment(world, "green")
    assert "PLANTED" not in everything_else(world)
    world.rest()


def register(world: OperatorWorld, source: str) -> None:
    """The same bytes are registered as the first version of a registry that has nothing."""
    if world.registry.versions("churn"):
        world.registry.delete_model("churn")
    world.registry.add_version("churn", tags={TAG_DIGEST: model("")["digest"]}, source=source)
    world.registry.move_alias("churn", "candidate", "1")


def test_a_first_version_that_was_registered_anew_is_fetched_from_where_it_is_now(world: OperatorWorld) -> None:
    """The registry lost everything before any pod of it had its model."""
    register(world, "s3://models/before")
    pods_get_their_model(world, "s3://models/now")
    world.cluster.create(manifest())
    assert world.run(60, until=lambda: places(world) == {"s3://models/before"})
    register(world, "s3://models/now")
    assert world.run(300, until=lambda: "champion" in status(world))
    assert places(world) == {"s3://models/now"}


def test_a_champion_s_pods_are_fetched_from_where_its_version_is_now(world: OperatorWorld) -> None:
    register(world, "s3://models/before")
    world.cluster.create(manifest())
    assert world.run(120, until=lambda: "champion" in status(world))
    pods_get_their_model(world, "s3://models/now")
    register(world, "s3://models/now")
    world.run(120)
    assert places(world) == {"s3://models/before"}
    lose_a_pod(world)
    assert world.run(120, until=lambda: places(world) == {"s3://models/now"})
    assert addresses_current(world) is None
