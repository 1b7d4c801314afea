"""A second cluster of Argo CD, and models that go through clusters in waves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import yaml

from localcluster.controlplane import ControlPlane
from localcluster.paths import REPOSITORY
from tests.support.documents import document
from tests.support.kube import Kube
from tests.support.stack.argo_cd.installation import IN_CLUSTER, NAMESPACE

EXAMPLE: Final = REPOSITORY / "examples" / "gitops" / "argocd-models.yaml"


def known_cluster(kube: Kube, name: str, plane: ControlPlane) -> None:
    """Argo CD may write there, by the Secret that its documentation asks for."""
    config = document(plane.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    pair = {"certData": user["client-certificate-data"], "keyData": user["client-key-data"]}
    settings = {"tlsClientConfig": {"caData": cluster["certificate-authority-data"], **pair}}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"argocd.argoproj.io/secret-type": "cluster"},
            },
            "stringData": {"name": name, "server": plane.server, "config": json.dumps(settings)},
        }
    )


def applied_in_waves(kube: Kube, url: str, folder: str, waves: Mapping[str, str], second: str) -> None:
    """The example, with this repository: each cluster in its wave, the first of them that of Argo CD itself."""
    example = yaml.safe_load(EXAMPLE.read_text())
    servers = (IN_CLUSTER, second)
    elements = [
        {"cluster": name, "server": server, "wave": wave}
        for (name, wave), server in zip(waves.items(), servers, strict=True)
    ]
    example["spec"]["generators"][0]["list"]["elements"] = elements
    template = example["spec"]["template"]["spec"]
    template["source"] |= {"repoURL": url, "path": folder}
    template["destination"]["namespace"] = folder
    kube.create(example)
