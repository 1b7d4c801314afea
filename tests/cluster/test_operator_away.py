"""Nobody needs the operator for being served; a breach that begins without it ends when it is back."""

from __future__ import annotations

import time

import pytest

from demo.kubectl import Kubectl
from tests.cluster.conftest import Operator
from tests.support.kube import Object, eventually
from tests.support.node.deployment import Deployed, seconds_of
from tests.support.node.registry import RAISES, ClusterRegistry
from tests.support.node.users import RATE, Users

LONG: list[Object] = [{"name": "long", "weight": 50, "duration": "10m"}]


@pytest.fixture(scope="module")
def calm(served: Deployed, kubectl: Kubectl) -> Users:
    """Users whom even the bad version can answer."""
    return Users.start(kubectl, "calm", small=True)


def test_users_do_not_notice_that_no_operator_runs(served: Deployed, calm: Users, operator: Operator) -> None:
    pods = served.pod_uids()
    with operator.away():
        told = calm.await_answers(3 * RATE)
    assert told.failed == 0
    # The one that comes back finds everything as it wants it.
    told = calm.await_answers(RATE)
    assert told.failed == 0
    assert served.pod_uids() == pods
    assert served.condition("Ready")["status"] == "True"


def test_a_breach_that_begins_while_the_operator_is_gone_is_reverted_when_it_is_back(
    served: Deployed, calm: Users, registry: ClusterRegistry, kubectl: Kubectl, operator: Operator
) -> None:
    champion = served.champion["revision"]
    served.apply(rollout={"steps": LONG})
    version = registry.publish(served.registered, RAISES)
    served.until(lambda status: (status.get("challenger") or {}).get("weight"), "the first step")
    revision = served.revision_of(version)
    eventually(lambda: calm.told().answers[revision] > RATE, what="answers of the bad version", timeout=60, every=0.5)
    assert calm.told().failed == 0
    with operator.away():
        stormy = Users.start(kubectl, "stormy")
        eventually(lambda: stormy.told().failed_by(revision) >= 10, what="the breach", timeout=60, every=0.5)
        assert "viridian.dev/slot" not in served.selector()
    back = time.time()
    rejected = served.until_rejected(version)
    print(f"operator ready to reverted: {seconds_of(rejected['at']) - back:.2f} s")
    assert rejected["reason"] == "MetricBreach"
    before = stormy.told().last_answer(revision)
    told = stormy.await_answers(5 * RATE)
    last = told.last_answer(revision)
    assert before is not None
    assert last is not None
    assert last <= seconds_of(rejected["at"]) + 10
    assert set(told.between(last + 0.5, time.time()).answers) == {champion}
