"""Kept-alive users through what operators of services do all day: scaling, another template, a pod that goes."""

from __future__ import annotations

from tests.support.kube import Object
from tests.support.node.deployment import Deployed
from tests.support.node.users import RATE, Users

STEPS: list[Object] = [{"weight": 50, "duration": "3s", "minRequests": 20}]


def test_scaling_up_and_down_fails_no_request(served: Deployed, users: Users) -> None:
    revision = served.champion["revision"]
    for replicas in (3, 1):
        served.apply(server={"replicas": replicas})
        served.until_pods(replicas)
        assert users.await_answers(2 * RATE).failed == 0
    assert served.champion["revision"] == revision
    # Whoever was on a pod that went has found another one.
    assert users.told().rate >= 50


def test_another_template_is_rolled_out_by_steps_and_fails_no_request(served: Deployed, users: Users) -> None:
    former = served.champion
    template = {"spec": {"containers": [{"name": "server", "env": [{"name": "VIRIDIAN_LOG_LEVEL", "value": "debug"}]}]}}
    served.apply(server={"template": template}, rollout={"steps": STEPS})
    status = served.until(
        lambda found: found["champion"]["revision"] != former["revision"] and served.is_at_rest(found),
        "the champion with the new template",
    )
    told = users.await_answers(3 * RATE)
    assert told.failed == 0
    champion = status["champion"]
    assert (champion["version"], champion["digest"]) == (former["version"], former["digest"])
    assert champion["slot"] != former["slot"]
    environment = served.pods(champion["slot"])[0]["spec"]["containers"][0]["env"]
    assert {"name": "VIRIDIAN_LOG_LEVEL", "value": "debug"} in environment
    assert served.until_condition("RollbackReady", "True")["reason"] == "FallbackReady"


def test_a_pod_that_is_deleted_finishes_what_it_began(served: Deployed, users: Users) -> None:
    template = served.kube.read(served.identity)["spec"]["server"].get("template", {})
    served.apply(server={"replicas": 2, "template": template})
    served.until_pods(2)
    slot = served.champion["slot"]
    victim = served.pods(slot)[0]
    served.kube.delete({"apiVersion": "v1", "kind": "Pod", "metadata": victim["metadata"]})
    served.until(
        lambda status: served.is_at_rest(status) and victim["metadata"]["uid"] not in served.pod_uids(),
        "a new pod in its place",
    )
    assert users.await_answers(3 * RATE).failed == 0
