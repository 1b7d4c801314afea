"""What somebody else makes under one of our names stays theirs, however late it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.churn import NAME, Churn
from tests.support.operator_world import OperatorWorld
from viridian.api.names import MANAGED_BY, MANAGED_BY_LABEL
from viridian.ports.cluster import Object

LABELS = {"app": "theirs"}
POD = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "server", "image": "theirs"}]}}
CONTENT: dict[str, Object] = {
    "Service": {"apiVersion": "v1", "spec": {"selector": LABELS, "ports": [{"port": 80}]}},
    "Deployment": {
        "apiVersion": "apps/v1",
        "spec": {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": POD},
    },
    "PodDisruptionBudget": {
        "apiVersion": "policy/v1",
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": LABELS}},
    },
}
OBJECTS = [
    ("Service", NAME),
    ("Service", f"{NAME}-preview"),
    ("Deployment", f"{NAME}-blue"),
    ("PodDisruptionBudget", f"{NAME}-blue"),
]


def theirs(kind: str, name: str, *, managed: bool) -> Object:
    """Perhaps with a label that anybody may set, and without an owner."""
    labels = {MANAGED_BY_LABEL: MANAGED_BY} if managed else {}
    return {"kind": kind, "metadata": {"name": name, "namespace": "default", "labels": labels}, **CONTENT[kind]}


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld(copies=True)) as world:
        churn = Churn(world)
        churn.publish()
        yield churn


def comes_before_the_write(churn: Churn, kind: str, name: str, stranger: Object, *, instead: bool = False) -> None:
    """Somebody makes it after the operator has looked, and before it writes; `instead` of what was there."""

    def make(call: object) -> None:
        if str(call) == f"apply {kind} {name}":
            churn.cluster.before_call = None
            if instead:
                churn.cluster.remove(kind, name)
            churn.cluster.create(stranger, manager="kubectl-create")

    churn.cluster.before_call = make


def as_made(churn: Churn, kind: str, name: str, stranger: Object) -> bool:
    found = churn.cluster.find(kind, name)
    assert found is not None
    return found["spec"]["selector"] == stranger["spec"]["selector"] and not found["metadata"].get("ownerReferences")


@pytest.mark.parametrize("managed", [False, True], ids=["unlabelled", "managed-by viridian"])
@pytest.mark.parametrize(("kind", "name"), OBJECTS)
class TestWhatIsTheirs:
    def test_was_there_before(self, churn: Churn, kind: str, name: str, managed: bool) -> None:
        stranger = theirs(kind, name, managed=managed)
        churn.cluster.create(stranger)
        churn.apply()
        churn.world.run(30)
        assert as_made(churn, kind, name, stranger)

    def test_comes_between_look_and_write(self, churn: Churn, kind: str, name: str, managed: bool) -> None:
        stranger = theirs(kind, name, managed=managed)
        comes_before_the_write(churn, kind, name, stranger)
        churn.apply()
        churn.world.run(30)
        assert churn.cluster.before_call is None, "it was never written"
        assert as_made(churn, kind, name, stranger)
        if kind in ("Service", "Deployment"):
            assert churn.condition("Stalled")["reason"] == "NameTaken"

    def test_takes_the_place_of_ours(self, churn: Churn, kind: str, name: str, managed: bool) -> None:
        churn.apply()
        assert churn.world.run(60, until=lambda: churn.serves("1"))
        stranger = theirs(kind, name, managed=managed)
        comes_before_the_write(churn, kind, name, stranger, instead=True)
        churn.cluster.edit(kind, name, _spoil)
        churn.world.run(30)
        assert churn.cluster.before_call is None, "it was never written"
        assert as_made(churn, kind, name, stranger)


def _spoil(found: Object) -> None:
    """An edit that the operator wants to undo."""
    found["metadata"]["labels"]["app.kubernetes.io/part-of"] = "spoilt"
