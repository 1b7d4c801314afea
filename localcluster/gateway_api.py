"""The CustomResourceDefinitions of the Gateway API, from its Go module: its standard channel, as gateways bring it."""

from __future__ import annotations

from pathlib import Path

from localcluster.gomodules import downloaded

MODULE = "sigs.k8s.io/gateway-api"
VERSION = "v1.6.1"


def definition(plural: str) -> Path:
    """The file of one kind, such as `httproutes`; the module is downloaded where it is not there yet."""
    folder = downloaded("cluster", MODULE, VERSION)
    return folder / "config" / "crd" / "standard" / f"gateway.networking.k8s.io_{plural}.yaml"
