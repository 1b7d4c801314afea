"""The systems that teams use beside the operator, each of them real: `make stack`, and no part of `make test`.

With --record-stack, a system whose tests have all run gets a new result, also where one of them has failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import shipped
from tests.support.kube import Kube, Kubectl
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.stack import asked_policy, results
from tests.support.stack.environment import versions
from tests.support.stack.leading_run import LeadingRun
from tests.support.stack.pipeline import Pipeline, pipeline_of
from tests.support.stack.systems import with_example

_DIGESTS = pytest.StashKey[dict[str, str]]()


@pytest.fixture
def note_program(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """`note_program("git", "2.39.5")`: the version of a program that ran and is no package of the example's lock."""
    return record_property


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-stack", action="store_true", help="write what ran to tests/stack/results")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_DIGESTS] = {system.slug: system.digest() for system in with_example()}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not terminalreporter.config.option.record_stack:
        return
    digests, reports = terminalreporter.config.stash[_DIGESTS], defaultdict(list)
    for kept in terminalreporter.stats.values():
        for report in kept:
            if isinstance(report, pytest.TestReport):
                reports[report.nodeid.partition("::")[0]].append(report)
    for system in with_example():
        ran = reports[f"tests/stack/{system.test.name}"]
        if ran and (result := results.of_reports(system, digests[system.slug], ran, versions(system))):
            results.write(system, result)
            terminalreporter.line(f"{system.slug}: {len(result.passed)} passed, {len(result.failed)} failed")


# ---- systems that ask for runs: each needs rbac.yaml with an account of its name, and `policy.yaml`


@pytest.fixture(scope="module")
def kubelet(
    kube: Kube, kubectl: Kubectl, mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """The operator is at work as well."""
    with asked_policy.operator_at_work(kube, kubectl, mlflow, tmp_path_factory.mktemp("operator")) as kubelet:
        yield kubelet


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the system, which is in the namespace of the newest `policy`."""
    return tmp_path_factory.mktemp("account") / "kubeconfig"


@pytest.fixture
def policy(
    request: pytest.FixtureRequest, kube: Kube, kubectl: Kubectl, kubelet: Kubelet, namespace: str, account: Path
) -> LivePolicy:
    """The example's policy, which runs when it is asked to."""
    made = asked_policy.apply(request.module.SYSTEM, kube, kubelet, namespace)
    asked_policy.sign_in(request.module.SYSTEM, kubectl, namespace, account)
    return made


# ---- systems that runs lead: each needs `stage-policy.yaml`, whose stage `features` is work of the system


@pytest.fixture
def leading(request: pytest.FixtureRequest, mlflow: MlflowServer, tmp_path: Path) -> LeadingRun:
    """A run that has been asked for, and whose first stage is at work."""
    return LeadingRun(request.module.SYSTEM, mlflow.url, tmp_path)


# ---- systems that roll out models, or hear of what becomes of them


@pytest.fixture(scope="module")
def operator(kube: Kube, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """With the roles that are shipped, and without a registry."""
    folder = tmp_path_factory.mktemp("operator")
    shipped.install(kubectl, kube)
    account = shipped.kubeconfig_of_the_operator(kubectl, folder)
    with OperatorProcess(account, folder, "--orders-secret=viridian-system/viridian-orders") as operator:
        yield operator.until_ready()


@pytest.fixture(scope="module")
def pods(kube: Kube, operator: OperatorProcess) -> Iterator[Kubelet]:
    """The script of the pods, beside that operator."""
    with Kubelet(kube) as kubelet:
        yield kubelet


@pytest.fixture
def pipeline(
    kube: Kube,
    kubectl: Kubectl,
    pods: Kubelet,
    namespace: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Pipeline:
    """That of the system which the module is about. Version 1 serves."""
    made = pipeline_of(request.module.SYSTEM, LiveModel(kube, pods, namespace), kubectl, tmp_path)
    made.serves_first("1")
    return made
