"""The real operator process against a real control plane, with a scripted kubelet in place of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kube import Kube, Kubectl
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.recorder import Recorder
from tests.support.safety import violations
from tests.support.shipped import kubeconfig_of_the_operator

KILLS = "killed after every k-th write on the real control plane (P4)"

ORDERS = "--orders-secret=viridian-system/viridian-orders"
"""In the namespace of the operator, where the roles that are shipped let it make this Secret."""

Operator = Callable[..., OperatorProcess]


@pytest.fixture(scope="package")
def kubelet(kube: Kube) -> Iterator[Kubelet]:
    """Plays every pod of these tests."""
    with Kubelet(kube) as kubelet:
        yield kubelet


@pytest.fixture(scope="session")
def operator_kubeconfig(shipped: Kube, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator is its own service account, with the roles and under the admission policies that are shipped."""
    return kubeconfig_of_the_operator(kubectl, tmp_path_factory.mktemp("account"))


@pytest.fixture(scope="module")
def shared_operator(
    operator_kubeconfig: Path, kubelet: Kubelet, mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One operator for all namespaces, as long as a module lasts. No other may run meanwhile."""
    folder = tmp_path_factory.mktemp("operator")
    with OperatorProcess(operator_kubeconfig, folder, f"--mlflow-uri={mlflow.url}", ORDERS) as operator:
        operator.until_ready()
        yield operator
        assert operator.stop() == 0, operator.log()
        assert "a mistake in the operator" not in operator.log()


@pytest.fixture
def operator(operator_kubeconfig: Path, kubelet: Kubelet, namespace: str, tmp_path: Path) -> Operator:
    """Makes operators for the test's namespace alone; the test begins and ends them."""

    def make(*flags: str) -> OperatorProcess:
        return OperatorProcess(operator_kubeconfig, tmp_path, f"--namespace={namespace}", *flags)

    return make


@pytest.fixture
def churn(kube: Kube, kubelet: Kubelet, namespace: str) -> LiveModel:
    return LiveModel(kube, kubelet, namespace)


@pytest.fixture(scope="module")
def recorder(kube: Kube) -> Iterator[Recorder]:
    with Recorder(kube) as recorder:
        yield recorder


@pytest.fixture
def safe(recorder: Recorder, namespace: str) -> Iterator[None]:
    """Users were safe at every moment of the test (P5)."""
    yield
    assert violations(recorder.worlds(namespace)) == []
