"""Chart and manifests as people install them, rendered: one file for each way."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcluster.binaries import program
from localcluster.builder import ensure

ROOT = Path(__file__).resolve().parents[1]
_REGISTRY = "image.registry=registry.example.com/viridian"
_DIGEST = f"sha256:{'0' * 64}"
_DIGESTS = [f"image.digests.{name}={_DIGEST}" for name in ("operator", "server", "collector", "dashboard", "mlflow")]

CHARTS: Mapping[str, tuple[str, ...]] = {
    "helm-default": (_REGISTRY,),
    "helm-with-mlflow": (
        _REGISTRY,
        "mlflow.install=true",
        "dashboard.enabled=true",
        "imagePullSecrets[0].name=login",
        "image.pullPolicy=Always",
    ),
    "helm-by-digest": (_REGISTRY, "mlflow.install=true", "dashboard.enabled=true", *_DIGESTS),
    "helm-for-one-namespace": (
        _REGISTRY,
        "namespaces={ml}",
        "crds.install=false",
        "collector.storage.persistent=false",
        "collector.rules.everywhere.deny={email}",
        "collector.hashKey.existingSecret=key",
    ),
    "helm-without-collector": (_REGISTRY, "collector.install=false"),
}
FOLDERS = ("manifests", "manifests/overlays/namespaced", "manifests/overlays/registry", "demo/install")


def render(folder: Path) -> list[Path]:
    """Write everything that is installed into the folder."""
    ensure(["helm", "kubectl"])
    return [
        *(_written(folder / f"{name}.yaml", _helm(settings)) for name, settings in CHARTS.items()),
        *(
            _written(folder / f"kustomize-{path.replace('/', '-')}.yaml", _run(program("kubectl"), "kustomize", path))
            for path in FOLDERS
        ),
    ]


def _helm(settings: tuple[str, ...]) -> str:
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return _run(program("helm"), "template", "viridian", "charts/viridian", "--namespace", "viridian-system", *flags)


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def _run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
