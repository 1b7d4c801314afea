"""What the tests on a real API server share."""

from __future__ import annotations

import pytest

from tests.support import shipped as manifests
from tests.support.kube import Kube, Kubectl


@pytest.fixture(scope="session")
def shipped(kubectl: Kubectl, kube: Kube) -> Kube:
    """The administrator's client; the roles and admission policies of `manifests/` are in force."""
    manifests.install(kubectl, kube)
    return kube
