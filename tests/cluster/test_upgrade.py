"""An upgrade from the state before, with users who keep their connections, and one in the middle of a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.kubectl import Kubectl
from localcluster.paths import REPOSITORY
from tests.cluster.conftest import Operator
from tests.cluster.test_install import CHART, RELEASE, crds_given_back, values
from tests.support.kube import Kube
from tests.support.node import previous
from tests.support.node.deployment import Deployed
from tests.support.node.helm import Helm
from tests.support.node.registry import ClusterRegistry
from tests.support.node.users import Users

LONG_STEP = {"steps": [{"weight": 50, "duration": "1h"}]}
SAME_IMAGE = "docker.io/viridian/server"
"""As another release names another image for models, this one has another name for it."""


pytestmark = pytest.mark.skipif(
    not previous.is_known(),
    reason=f"a shallow copy of the repository: `git fetch --unshallow` brings {previous.COMMIT}",
)


@pytest.fixture(scope="module")
def chart_before(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its operator is in the node. The kinds are today's again afterwards, whatever happened."""
    tree = previous.checked_out(tmp_path_factory.mktemp("previous") / "tree")
    previous.load_operator(tree)
    with crds_given_back(cluster):
        yield tree / "charts" / "viridian"
    for folder in (REPOSITORY / "crds", REPOSITORY / "crds" / "governance"):
        cluster("apply", "--server-side", "--force-conflicts", "-k", str(folder))


def restarts(deployed: Deployed) -> int:
    """Of all containers of its pods."""
    states = [state for pod in deployed.pods() for state in pod["status"].get("containerStatuses", ())]
    return sum(state["restartCount"] for state in states)


def test_an_upgrade_costs_users_no_request_and_models_no_pod(
    kube: Kube,
    kubectl: Kubectl,
    namespace: str,
    operator: Operator,
    registry: ClusterRegistry,
    chart_before: Path,
) -> None:
    helm, churn = Helm(kubectl), Deployed(kube, namespace)
    first, second = (registry.place(churn.registered, registry.publish(churn.registered)) for _ in range(2))
    flags = [*values(namespace), "--force-conflicts", "--wait"]
    today = [*flags, f"--set=serverImage.repository={SAME_IMAGE}"]
    before = [*flags, f"--set=image.repository={previous.REPOSITORY_OF_IMAGE}"]
    with operator.away():
        helm("install", RELEASE, str(chart_before), *before, "--take-ownership")
        churn.apply(model=first)
        churn.until_condition("Ready", "True")
        users, pods = Users.start(kubectl), churn.pod_uids()

        helm("upgrade", RELEASE, str(CHART), *today)
        assert churn.pod_uids() == pods
        # The operator of today is at work, and the pods from before are among those that serve.
        churn.apply(model=first, server={"replicas": 2})
        churn.until_pods(2)
        assert pods < churn.pod_uids()

        # Back to the state before, which begins a rollout. In the middle of that comes the upgrade again.
        pods = churn.pod_uids()
        helm("rollback", RELEASE, "1", "--force-conflicts", "--wait")
        assert churn.pod_uids() == pods
        churn.apply(model=second, server={"replicas": 2}, rollout=LONG_STEP)
        churn.until(lambda status: (status.get("challenger") or {}).get("weight") == 50, "half of the traffic")
        challenger, pods = churn.status["challenger"]["revision"], churn.pod_uids()
        helm("upgrade", RELEASE, str(CHART), *today)
        users.await_answers(200)
        assert churn.pod_uids() == pods
        churn.annotate("promote", f"{challenger}#{kube.whoami()}")
        churn.until(lambda status: (status.get("champion") or {}).get("revision") == challenger, "the promotion")
        users.await_answers(200)
        assert pods & churn.pod_uids()
        told = users.told()
        assert told.failures == {}
        assert challenger in told.answers
        assert restarts(churn) == 0
        users.stop()
        helm("uninstall", RELEASE, "--wait")
        assert "name" in churn.ask("v2")
    print(f"{told.answers.total()} requests over two upgrades and a downgrade, 0 failed")
