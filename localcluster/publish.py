"""Every image in a registry of the user's own, by digest: built as for the local cluster, pushed by what built it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from localcluster import engine as engines
from localcluster import images
from localcluster.baseimage import DIGESTED
from localcluster.console import step
from localcluster.engine import Engine
from localcluster.errors import LocalClusterError
from localcluster.paths import REPOSITORY, images_root

NO_REGISTRY = """\
no registry was named. Say where the images are to be, for example
    make images REGISTRY=registry.example.com/viridian
  and log in there first with the tool that builds them (docker login, podman login, buildah login). To have them on the
  local cluster alone, without any registry: python3 -m localcluster images load"""

NO_DIGEST = """\
a release is built from a base image with a digest, and this one is named by {base}. Say which one, for example
    make images RELEASE=1 REGISTRY=… BASE=python:3.11-slim@sha256:…
  The digest is what the registry of that image says: `docker buildx imagetools inspect python:3.11-slim`, or
  `skopeo inspect --format '{{{{.Digest}}}}' docker://python:3.11-slim`"""

INSTALLED = ("operator", "server", "collector", "dashboard", "mlflow")
"""What chart and manifests ask for; the trainer's image stands in the policies of users."""


@dataclass(frozen=True)
class Published:
    """An image as anybody can pull it."""

    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"


def publish(
    registry: str,
    tag: str = "",
    names: Iterable[str] = (),
    *,
    insecure: bool = False,
    base: str = "",
    release: bool = False,
) -> list[Published]:
    """Build what has changed and push it; `insecure` is for a registry without TLS, `base` for a base image by name.

    A `release` names its base by digest: whoever builds it again must get the same one.
    """
    if release and DIGESTED.fullmatch(base) is None:
        raise LocalClusterError(NO_DIGEST.format(base=base or "its tag alone"))
    prefix, tag = checked(registry), tag or version()
    wanted = images.select(list(names))
    engine = engines.find()
    images.build([image.name for image in wanted], base)
    (images_root() / "push.log").unlink(missing_ok=True)
    return [_push(engine, image, prefix, tag, insecure=insecure) for image in wanted]


def checked(registry: str) -> str:
    """The prefix of every image's name."""
    prefix = registry.strip().rstrip("/")
    if not prefix:
        raise LocalClusterError(NO_REGISTRY)
    if "://" in prefix:
        raise LocalClusterError(f"a registry is named without a scheme: write {prefix.split('://', 1)[1]}")
    return prefix


def version() -> str:
    """The release of this checkout: what chart and manifests ask for where no tag is named."""
    return str(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"])


def how_to_install(published: Sequence[Published]) -> str:
    """The settings with which chart and manifests take these images."""
    registry, tag = published[0].repository.rpartition("/")[0], published[0].tag
    settings = [f"image.registry={registry}", f"image.tag={tag}"]
    settings += [f"image.digests.{image.name}={image.digest}" for image in published if image.name in INSTALLED]
    lines = [
        "install them with",
        "  helm install viridian charts/viridian --namespace viridian-system --create-namespace \\",
        " \\\n".join(f"    --set {setting}" for setting in settings),
        "or write registry and tag into manifests/overlays/registry/images.yaml, and then",
        "  kubectl apply -k manifests/overlays/registry",
    ]
    return "\n".join(lines)


def _push(engine: Engine, image: images.Image, prefix: str, tag: str, *, insecure: bool) -> Published:
    repository = f"{prefix}/{image.name}"
    with step(f"pushing {repository}:{tag}"):
        digest = engine.push(image.reference, f"{repository}:{tag}", images_root() / "push.log", insecure=insecure)
    return Published(repository, tag, digest)
