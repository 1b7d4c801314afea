"""Whatever people of one namespace do, the registered model of another one stays as its owners left it.

One ModelDeployment and one RetrainPolicy of the namespace `default`, chance, and the model `bank` of `sec-b`: no pass
of either reconciler writes anything to `bank`. Their own model is written to all the while.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.churn import Churn
from tests.support.memory_cluster import Outcome
from tests.support.operator_world import SETTINGS, OperatorWorld
from tests.unit.properties.test_killed_at_every_write import SHORT
from tests.unit.properties.test_training_killed import policy
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY, RUN_ANNOTATION
from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_NAMESPACES
from viridian.controller.keys import Key
from viridian.core.model_owners import OwnerRule
from viridian.ports.cluster import Object

BANK, OWN = "bank", "churn"
WAYS = ("rule", "tag", "claim", "former claim")


class Tenants(RuleBasedStateMachine):
    """The people of `default`, and what `sec-b` has."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    @initialize(way=st.sampled_from(WAYS), model=st.sampled_from([BANK, OWN]))
    def begin(self, way: str, model: str) -> None:
        rules = (OwnerRule("sec-b", "ba*"),) if way == "rule" else ()
        self.world = OperatorWorld(settings=replace(SETTINGS, registry_models=rules))
        self.churn, self.registry = Churn(self.world), self.world.registry
        for name in (BANK, OWN):
            for _ in range(3):
                self.registry.add_version(name)
            self.registry.move_alias(name, "candidate", "1")
        self.registry.move_alias(BANK, "champion", "1")
        self._give_to_b(way)
        theirs = self.world.do(self.registry.create_run("sec-b/bank", "theirs", {}))
        self.registry.log(theirs.run_id, model_uri="models:/m-theirs")
        self.left = self.bank()
        self.world.keys.append(Key(RETRAIN_POLICY, "default", "churn"))
        self.churn.apply(model={"registry": {"name": model, "alias": "candidate"}}, rollout=SHORT)
        self.world.cluster.create(policy())
        self.trains("models:/m-theirs")

    def _give_to_b(self, way: str) -> None:
        if way == "tag":
            self.registry.tag_model(BANK, {TAG_NAMESPACES: "sec-b"})
        elif way == "claim":
            self.registry.tag_model(BANK, {TAG_MODEL_DEPLOYMENT: "sec-b/bank"})
        elif way == "former claim":
            version = self.registry.add_version(BANK, {TAG_MODEL_DEPLOYMENT: "sec-b/bank"})
            self.registry.move_alias(BANK, "champion", version)

    def bank(self) -> tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, str]]:
        return self.registry.versions(BANK), self.registry.aliases(BANK), self.registry.tags(BANK)

    # ---- the people of `default`

    @rule(name=st.sampled_from([BANK, OWN]), by=st.sampled_from([{"alias": "candidate"}, {"version": "2"}]))
    def follow_or_pin(self, name: str, by: Mapping[str, str]) -> None:
        wanted = {"registry": {"name": name, **by}}
        self.world.cluster.edit(MODEL_DEPLOYMENT, "churn", lambda found: found["spec"].update(model=wanted))
        self.world.run(5)

    @rule(alias=st.sampled_from(["1", "2", "3"]))
    def move_the_own_alias(self, alias: str) -> None:
        self.registry.move_alias(OWN, "candidate", alias)
        self.world.run(20)

    @rule(uri=st.sampled_from(["models:/m-theirs", "models:/bank/2", "s3://team-b/m2", "runs:/own/model", ""]))
    def trains(self, uri: str) -> None:
        """What the container of the next Job will report; nothing at all, or its own model, or one of others."""
        said = {"metrics": {"auc": 0.99}, **({"model": {"uri": uri}} if uri else {})}
        self.world.cluster.outcomes["*"] = Outcome(0, json.dumps(said), after=2, effect=self._log if not uri else None)

    def _log(self, job: Object) -> None:
        variables = {v["name"]: v.get("value") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        run = str(variables["MLFLOW_RUN_ID"])
        self.registry.log(run, metrics={"auc": 0.99}, model_uri=f"models:/m-{run}")

    @rule()
    def ask_for_a_run(self) -> None:
        self.runs += 1
        self.world.cluster.annotate(RETRAIN_POLICY, "churn", **{RUN_ANNOTATION: str(self.runs)})
        self.world.run(15)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(seconds=st.sampled_from([1.0, 30.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    # ---- what holds

    @invariant()
    def the_model_of_the_others_is_as_they_left_it(self) -> None:
        if hasattr(self, "left"):
            assert self.bank() == self.left, self.world.story(last=20)

    @invariant()
    def nothing_that_another_run_made_is_registered(self) -> None:
        if hasattr(self, "left"):
            strange = [v for v in self.registry.versions(OWN).values() if v.run_id and v.run_id not in v.source]
            assert strange == []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()


TestTenants = Tenants.TestCase
TestTenants.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
