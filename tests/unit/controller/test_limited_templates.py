"""An operator that limits templates: nothing is deployed or trained from one that says more, and what runs stays."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from tests.support.churn import Churn
from tests.support.operator_world import SETTINGS, OperatorWorld
from tests.support.templates import TOO_MUCH, template
from tests.unit.retraining.world import World, policy
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.core.templates import TemplateRules, Templates

LIMITED = TemplateRules(Templates.RESOURCES_ONLY)
SETTINGS_THEN = replace(SETTINGS, templates=LIMITED)
PRIVILEGED = {"replicas": 1, "template": template(MODEL_DEPLOYMENT, TOO_MUCH["privileged"])}


def test_nothing_is_deployed_from_a_template_that_says_too_much() -> None:
    with closing(OperatorWorld(settings=SETTINGS_THEN)) as world:
        churn = Churn(world)
        churn.publish()
        churn.apply(server=PRIVILEGED)
        world.run(30)
        assert churn.cluster.all("Deployment") == []
        stalled = churn.condition("Stalled")
        assert stalled["reason"] == "TemplateNotAllowed"
        assert "spec.server.template.spec.containers[server].securityContext" in stalled["message"]
        world.rest()


def test_what_was_running_stays() -> None:
    with closing(OperatorWorld(settings=SETTINGS_THEN)) as world:
        churn = Churn(world)
        churn.publish()
        churn.apply()
        assert world.run(60, until=lambda: churn.serves("1"))
        pods = {pod["metadata"]["uid"] for pod in churn.cluster.all("Pod")}
        churn.publish()
        churn.apply(server={**PRIVILEGED, "replicas": 2})
        world.run(60)
        assert churn.champion == "1"
        assert pods <= {pod["metadata"]["uid"] for pod in churn.cluster.all("Pod")}
        assert churn.condition("Stalled")["reason"] == "TemplateNotAllowed"
        churn.apply()
        assert world.run(120, until=lambda: churn.serves("2"))


@pytest.mark.parametrize(("rules", "jobs"), [(LIMITED, 0), (TemplateRules(), 1)])
def test_no_job_is_made_from_a_stage_that_says_too_much(rules: TemplateRules, jobs: int) -> None:
    world = World(policy=policy()).serve("3")
    world.templates = rules
    world.settle()
    world.ask_by_hand("one").settle()
    assert len(world.jobs) == jobs
    if not jobs:
        assert world.condition("Stalled") == ("True", "TemplateNotAllowed")
