"""Files that commands read. A message about a file has its name, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from viridian.api.feedback import Window
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.api.profile import ReferenceProfile
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.backtest.history import ANY_VERSION, Incident
from viridian.retraining.workflow_defaults import effective, workflow_of

_T = TypeVar("_T")
_ENDINGS: Final = (".yaml", ".yml", ".json")


class UnusableFile(Exception):
    """A file cannot be used; the text is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """Objects of our two kinds, in the order of the files."""

    deployments: tuple[Mapping[str, Any], ...]
    policies: tuple[Mapping[str, Any], ...]

    def deployment(self) -> tuple[str, ModelDeploymentSpec]:
        """Name and spec of the only ModelDeployment."""
        manifest = _only(self.deployments, MODEL_DEPLOYMENT)
        return name_of(manifest), _spec(manifest, ModelDeploymentSpec)

    def policy(self) -> RetrainPolicySpec | None:
        """The spec of the only RetrainPolicy, with its workflow's defaults; None where there is none."""
        if not self.policies:
            return None
        return policy_spec(_only(self.policies, RETRAIN_POLICY))


def policy_spec(manifest: Mapping[str, Any]) -> RetrainPolicySpec:
    """The spec of a RetrainPolicy, with the defaults that its workflow has once a version serves."""
    in_force = effective(manifest.get("spec"), workflow_of(manifest, promoted=True))
    return _spec({**manifest, "spec": in_force}, RetrainPolicySpec)


def name_of(manifest: Mapping[str, Any]) -> str:
    """The name of an object, empty where it has none."""
    metadata = manifest.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""


def read_manifests(paths: Sequence[Path]) -> Manifests:
    """The objects of our kinds in YAML files and folders, lists of `kubectl get -o yaml` included."""
    found = [manifest for path in paths for file in files_at(path) for manifest in _documents(file)]
    return Manifests(
        tuple(one for one in found if one.get("kind") == MODEL_DEPLOYMENT),
        tuple(one for one in found if one.get("kind") == RETRAIN_POLICY),
    )


def files_at(path: Path) -> list[Path]:
    """The file itself, or all manifests below a folder; UnusableFile where it has none."""
    if not path.is_dir():
        return [path]
    found = sorted(below for below in path.rglob("*") if below.suffix in _ENDINGS and below.is_file())
    if not found:
        raise UnusableFile(f"{path} has no file that ends with {', '.join(_ENDINGS)}")
    return found


def read_windows(path: Path) -> tuple[Window, ...]:
    """Windows as the collector exports them: a JSON list, or one in each line."""
    raw = file_bytes(path)
    if raw.lstrip().startswith(b"["):
        return tuple(_json(path, raw, list[Window]))
    return tuple(
        _json(path, line, Window, f"line {number}: ")
        for number, line in enumerate(raw.splitlines(), start=1)
        if line.strip()
    )


def read_reference(argument: str) -> tuple[str, ReferenceProfile]:
    """`VERSION=FILE`, or a file for all versions: the version and its reference profile."""
    version, separator, file = argument.partition("=")
    path = Path(file if separator else argument)
    return version if separator else ANY_VERSION, _json(path, file_bytes(path), ReferenceProfile)


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """A YAML list of incidents: name, start, end, cause."""
    try:
        return tuple(msgspec.convert(_yaml(path)[0], list[Incident]))
    except (msgspec.ValidationError, IndexError) as error:
        raise UnusableFile(
            f"{path}: {error}: write a list such as - {{name: campaign, start: 2026-01-31T00:00:00Z, "
            "end: 2026-02-10T00:00:00Z}"
        ) from error


def _only(manifests: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    if len(manifests) != 1:
        names = ", ".join(map(name_of, manifests))
        raise UnusableFile(f"one {kind} is needed, and the files have {len(manifests)}{': ' if names else ''}{names}")
    return manifests[0]


def _spec(manifest: Mapping[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(manifest.get("spec"), kind)
    except msgspec.ValidationError as error:
        raise UnusableFile(f"{manifest.get('kind')} {name_of(manifest)}: spec: {error}") from error


def _documents(path: Path) -> Iterator[Mapping[str, Any]]:
    for document in _yaml(path):
        if not isinstance(document, Mapping):
            continue
        items = document.get("items")
        listed = items if isinstance(items, list) and str(document.get("kind", "")).endswith("List") else [document]
        yield from (one for one in listed if isinstance(one, Mapping))


def _yaml(path: Path) -> list[Any]:
    try:
        return [document for document in yaml.safe_load_all(file_bytes(path)) if document is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise UnusableFile(f"{path} is no YAML: {' '.join(str(error).split())}") from error


def file_bytes(path: Path) -> bytes:
    """The content of a file; UnusableFile where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror}") from error


def _json(path: Path, raw: bytes, kind: type[_T], where: str = "") -> _T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableFile(f"{path}: {where}{error}") from error
