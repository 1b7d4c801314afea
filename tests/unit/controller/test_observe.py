"""Observing a ModelDeployment: whose children they are, and what the registry says about the wanted version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_registry import MemoryRegistry
from tests.unit.controller.world import KEY, ToldPods, model_deployment
from viridian.api import reasons
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, Slot
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.observe_model_deployment import ModelDeployments
from viridian.controller.ownership import LeftBehind
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_watch import RegistryWatch
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Samples
from viridian.controller.user_routes import UserRoutes
from viridian.ports.cluster import Object
from viridian.rollout.input import UNREAD, OperatorSettings, RolloutInput, Unresolved
from viridian.rollout.records import ServedModel


class Stage:
    def __init__(self, *, configured: bool = True) -> None:
        self.cluster, self.registry = MemoryCluster(), MemoryRegistry()
        self.watch = RegistryWatch(self.registry, followed=lambda: ["churn"], moved=lambda _: None)
        self.kind = ModelDeployments(
            self.cluster,
            Resolver(ByNamespace(self.watch.table), configured),
            ToldPods(),
            Samples(ToldPods()),
            AnalysisAnswers(None, None, self.cluster.clock, wake=lambda _: None),
            OperatorSettings(server_image="server:1", mlflow_uri="http://mlflow" if configured else None),
            self.cluster.clock,
            UserRoutes(self.cluster),
        )

    def apply(self, **spec: Any) -> Object:
        manifest = model_deployment()
        return self.cluster.create({**manifest, "spec": {**manifest["spec"], **spec}})

    async def observe(self) -> RolloutInput:
        found = await self.cluster.get(KEY.reference)
        assert found is not None
        first = (await self.kind.observe(KEY, found)).input
        if first.model is not UNREAD:
            return first
        await self.watch.reader.read_all()
        return (await self.kind.observe(KEY, found)).input


async def test_an_old_version_under_a_new_number_is_refused_where_signatures_are_asked_for() -> None:
    stage = Stage()
    run = await stage.registry.create_run("ml/churn", "r1", {})
    for version in ("1", "2"):
        assert stage.registry.add_version("churn", run_id=run.run_id) == version
    stage.registry.move_alias("churn", "candidate", "2")
    wanted = {"registry": {"name": "churn", "alias": "candidate"}}
    stage.apply(model={**wanted, "signature": {"publicKeySecretRef": {"name": "keys"}}})
    model = (await stage.observe()).model
    assert isinstance(model, Unresolved)
    assert (model.reason, model.lasting) == (reasons.BAD_SIGNATURE, True)
    assert "is signed as that one" in model.message
    stage.registry.move_alias("churn", "candidate", "1")
    await stage.watch.poller.sweep()
    assert (await stage.observe()).model == ServedModel(
        uri=stage.registry.versions("churn")["1"].uri, name="churn", version="1", run=run.run_id
    )


def service(uid: str | None, *, ours: bool = True, labelled: bool = True, kind: str = MODEL_DEPLOYMENT) -> Object:
    labels = {"viridian.dev/model-deployment": "churn"} if labelled else {}
    owner = {"apiVersion": API_VERSION, "kind": kind, "name": "churn", "uid": uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "churn",
            "namespace": "default",
            "labels": {**labels, **({"app.kubernetes.io/managed-by": "viridian"} if ours else {})},
            **({"ownerReferences": [owner]} if uid else {}),
        },
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]},
    }


async def test_a_child_that_lost_its_labels_is_still_ours() -> None:
    stage = Stage()
    owner = stage.apply()
    stage.cluster.create(service(owner["metadata"]["uid"], ours=False, labelled=False))
    assert (await stage.observe()).live is not None


async def test_a_child_that_lost_its_owner_reference_is_still_ours() -> None:
    stage = Stage()
    stage.apply()
    stage.cluster.create(service(None))
    assert (await stage.observe()).live is not None


async def test_an_object_of_somebody_else_is_not_taken_over() -> None:
    stage = Stage()
    stage.apply()
    stage.cluster.create(service(None, ours=False, labelled=False))
    assert (await stage.observe()).live is None
    plan = stage.kind.decide(await stage.kind.observe(KEY, stage.apply()))
    assert plan.actions == ()
    assert plan.status is not None
    stalled = next(one for one in plan.status["conditions"] if one["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "NameTaken")
    assert "the Service churn exists and does not belong to this ModelDeployment" in stalled["message"]


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("v1", "Service", {"type": "LoadBalancer", "selector": {"a": "b"}, "ports": [{"port": 80}]}),
        ("policy/v1", "PodDisruptionBudget", {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}),
    ],
)
@pytest.mark.parametrize("owner", [None, "the-uid-of-an-earlier-one"])
async def test_an_object_that_only_carries_the_label_is_nobodys_business(
    api_version: str, kind: str, spec: Object, owner: str | None
) -> None:
    """A user's own Service for the same pods, say."""
    stage = Stage()
    stage.apply()
    stray = service(owner, ours=False)
    stage.cluster.create(
        {
            **stray,
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {**stray["metadata"], "name": "mine"},
            "spec": spec,
        }
    )
    plan = stage.kind.decide(await stage.kind.observe(KEY, stage.apply()))
    assert plan.actions
    assert plan.status is not None
    assert "Stalled" not in {c["type"] for c in plan.status["conditions"]}


async def test_what_an_earlier_namesake_left_is_waited_for() -> None:
    stage = Stage()
    stage.apply()
    stage.cluster.create(service("the-uid-of-the-earlier-one"))
    with pytest.raises(LeftBehind):
        await stage.observe()


async def test_a_name_that_somebody_else_has_taken_is_told_to_the_plan() -> None:
    stage = Stage()
    stage.apply()
    preview = service(None, ours=False, labelled=False)
    stage.cluster.create({**preview, "metadata": {**preview["metadata"], "name": "churn-preview"}})
    snapshot = await stage.observe()
    assert snapshot.taken == {("Service", "churn-preview")}
    assert (snapshot.preview, snapshot.spec is None) == (None, False)


async def test_pods_belong_to_their_slot() -> None:
    stage = Stage()
    observed = await stage.kind.observe(KEY, stage.apply())
    for action in stage.kind.decide(observed).actions:
        await stage.cluster.apply(action.manifest, manager="viridian")  # type: ignore[union-attr]
    stage.cluster.run_controllers()
    slots = (await stage.observe()).slots
    assert set(slots) == {Slot.BLUE}
    assert len(slots[Slot.BLUE].pods) == 2


async def test_a_spec_that_does_not_fit_is_told_and_not_acted_on() -> None:
    stage = Stage()
    stage.apply(server={"replicas": "many"})
    snapshot = await stage.observe()
    assert snapshot.spec is None
    assert "replicas" in snapshot.invalid


ALIAS = {"registry": {"name": "churn", "alias": "candidate"}}
PINNED = {"registry": {"name": "churn", "version": "7"}}


async def test_a_model_by_uri_needs_no_registry() -> None:
    stage = Stage(configured=False)
    stage.apply()
    assert (await stage.observe()).model == ServedModel(
        "https://models.example/churn.tar.gz", digest=f"sha256:{'a' * 64}"
    )
    assert stage.registry.calls.total() == 0


async def test_an_alias_becomes_an_immutable_version() -> None:
    stage = Stage()
    version = stage.registry.add_version("churn", {"viridian.digest": "sha256:1"}, source="models:/m-1")
    stage.registry.move_alias("churn", "candidate", version)
    stage.apply(model=ALIAS)
    snapshot = await stage.observe()
    assert snapshot.model == ServedModel("mlflow-artifacts:/0/models/m-1/artifacts", "churn", "1", "sha256:1")


@pytest.mark.parametrize(
    ("model", "prepare", "reason", "lasting"),
    [
        (ALIAS, lambda _: None, reasons.MODEL_NOT_FOUND, True),
        (ALIAS, lambda registry: registry.add_version("churn"), reasons.ALIAS_NOT_FOUND, True),
        (PINNED, lambda registry: registry.add_version("churn"), reasons.VERSION_NOT_FOUND, True),
        (ALIAS, lambda registry: setattr(registry, "unavailable", True), reasons.REGISTRY_UNAVAILABLE, False),
        (ALIAS, lambda registry: setattr(registry, "refusal", "403"), reasons.REGISTRY_REFUSED, True),
    ],
    ids=["no model", "no alias", "no version", "down", "refusing"],
)
async def test_why_there_is_no_version(model: Any, prepare: Any, reason: str, lasting: bool) -> None:
    stage = Stage()
    prepare(stage.registry)
    stage.apply(model=model)
    found = (await stage.observe()).model
    assert isinstance(found, Unresolved)
    assert (found.reason, found.lasting) == (reason, lasting)
    assert found.message


async def test_without_a_registry_it_says_what_to_configure() -> None:
    stage = Stage(configured=False)
    stage.apply(model=ALIAS)
    found = (await stage.observe()).model
    assert isinstance(found, Unresolved)
    assert found.reason == reasons.REGISTRY_NOT_CONFIGURED
    assert "--mlflow-uri" in found.message
