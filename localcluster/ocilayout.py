"""Images as folders in the OCI image layout: written, packed and tidied without any container tool."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from localcluster.errors import LocalClusterError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
OCI = "application/vnd.oci.image"


def write_program_image(
    layout: Path, reference: str, files: Mapping[str, Path], entrypoint: Sequence[str], *, temporary: bool = False
) -> None:
    """Write an image named `reference` that holds `files` (path inside: path here) and runs `entrypoint`.

    `temporary`: with a folder /tmp that every user may write to. The same input gives the same digest.
    """
    layer = _layer(files, temporary)
    config = _json(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": _descriptor(f"{OCI}.config.v1+json", config),
            "layers": [_descriptor(f"{OCI}.layer.v1.tar", layer)],
        }
    )
    entry = _descriptor(f"{OCI}.manifest.v1+json", manifest)
    # Importers disagree on which of the two annotations names the image.
    entry["annotations"] = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    for blob in (layer, config, manifest):
        target = _blob(layout, _digest(blob))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(blob)
    (layout / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))


def digest(layout: Path) -> str:
    """The digest of the one image in a layout."""
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    if len(manifests) != 1:
        raise LocalClusterError(f"{layout} holds {len(manifests)} images instead of one")
    return str(manifests[0]["digest"])


def pack(layout: Path, archive: IO[bytes], without: Collection[str] = ()) -> None:
    """Write a layout as an archive, leaving out blobs that the reader is known to have."""
    with tarfile.open(fileobj=archive, mode="w|") as tar:
        for name in ("oci-layout", "index.json"):
            tar.add(layout / name, name)
        for wanted in sorted(_reachable(layout)):
            if wanted not in without:
                path = _blob(layout, wanted)
                tar.add(path, str(path.relative_to(layout)))


def prune(layout: Path) -> None:
    """Remove former versions of the image, which lose their name in the index, and what only they needed."""
    index = json.loads((layout / "index.json").read_text())
    index["manifests"] = [entry for entry in index["manifests"] if entry.get("annotations")]
    (layout / "index.json").write_bytes(_json(index))
    wanted = _reachable(layout)
    for path in (layout / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in wanted:
            path.unlink()


def _reachable(layout: Path) -> set[str]:
    """The manifest, its configuration and its layers; a list of manifests leads on to each of them."""
    found: set[str] = set()
    pending: list[dict[str, Any]] = json.loads((layout / "index.json").read_text())["manifests"]
    while pending:
        descriptor = pending.pop()
        if not _blob(layout, descriptor["digest"]).exists():
            continue  # another platform's, which was never fetched
        found.add(descriptor["digest"])
        if "manifest" in descriptor["mediaType"] or "index" in descriptor["mediaType"]:
            document = json.loads(_blob(layout, descriptor["digest"]).read_text())
            pending += [*document.get("manifests", ()), *document.get("layers", ())]
            pending += [document["config"]] if "config" in document else []
    return found


def _blob(layout: Path, of: str) -> Path:
    algorithm, _, value = of.partition(":")
    return layout / "blobs" / algorithm / value


def _layer(files: Mapping[str, Path], temporary: bool) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        if temporary:
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
        for name, source in sorted(files.items()):
            info = tarfile.TarInfo(name.lstrip("/"))
            info.size, info.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                tar.addfile(info, content)
    return buffer.getvalue()


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
