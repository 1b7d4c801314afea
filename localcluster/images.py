from __future__ import annotations

from collections.abc import Callable

from localcluster.binaries import binary
from localcluster.ociarchive import write_program_image
from localcluster.paths import images_root


def load_programs(ctr: Callable[..., str]) -> None:
    """Images that hold one of our own programs."""
    known = ctr("images", "ls", "-q").split()
    for name in ("pause", "coredns"):
        reference = f"docker.io/viridian/{name}:dev"
        archive = images_root() / f"{name}.tar"
        if not archive.exists():
            write_program_image(archive, reference, {f"/{name}": binary(name).path}, [f"/{name}"])
        if reference not in known:
            ctr("images", "import", str(archive))
