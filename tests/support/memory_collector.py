"""The collector in memory: the port `Feedback`, with windows that the test writes; and the pods' own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from viridian.api import manifest
from viridian.api.feedback import SNAPSHOTS_PATH, FrozenRows, RetentionRules, TrafficSplit, Window
from viridian.api.profile import PROFILE_PATH, ReferenceProfile
from viridian.api.samples import PodTarget
from viridian.ports.collector import FeedbackError
from viridian.ports.pod_files import BundleUnreadable


@dataclass
class MemoryCollector:
    """Answers at once; counts what it was asked."""

    windows_known: list[Window] = field(default_factory=list)
    kept: dict[tuple[str, str], RetentionRules] = field(default_factory=dict)
    asked: list[tuple[float, float, str | None, bool]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    """Under which definition of the label outcomes were to count, for each question about windows."""
    frozen: dict[str, FrozenRows] = field(default_factory=dict)
    splits: dict[tuple[str, str], dict[float, TrafficSplit]] = field(default_factory=dict)
    """By their times."""
    received: bool = True
    """Whether any row has come yet."""
    failure: FeedbackError | None = None

    async def windows(
        self,
        namespace: str,
        deployment: str,
        *,
        start: float,
        end: float,
        seconds: float,
        revision: str | None,
        profiles: bool = True,
        label: str = "",
    ) -> list[Window]:
        self.labels.append(label)
        self.asked.append((start, end, revision, profiles))
        if self.failure is not None:
            raise self.failure
        return [
            window if profiles else msgspec.structs.replace(window, profile=None)
            for window in self.windows_known
            if start <= window.start and window.end <= end and revision in (None, window.revision)
        ]

    async def keep(self, namespace: str, deployment: str, keeping: RetentionRules) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept[namespace, deployment] = keeping

    async def log_splits(self, namespace: str, deployment: str, splits: Sequence[TrafficSplit]) -> None:
        if self.failure is not None:
            raise self.failure
        known = self.splits.setdefault((namespace, deployment), {})
        for split in splits:
            known.setdefault(split.time, split)

    async def close(self, namespace: str, deployment: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.pop((namespace, deployment), None)

    async def freeze(self, namespace: str, deployment: str, run_id: str) -> FrozenRows | None:
        if self.failure is not None:
            raise self.failure
        if not self.received:
            return None
        place = f"http://collector:8090{SNAPSHOTS_PATH}/{namespace}/{deployment}/{run_id}.parquet"
        return self.frozen.setdefault(run_id, FrozenRows(uri=place, digest=f"sha256:{'b' * 64}", rows=3, labelled=2))


@dataclass
class MemoryBundles:
    """Every pod shows the same files; none where there are none."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    unreadable: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def read(self, target: PodTarget, path: str) -> bytes | None:
        self.asked.append((target.uid, path))
        if self.unreadable:
            raise BundleUnreadable(self.unreadable)
        return self.files.get(path)


def bundle(
    reference: ReferenceProfile | None, others: Sequence[str] = ("model.onnx",)
) -> tuple[Mapping[str, bytes], str]:
    """The files of a version with that profile, or without one, that a pod shows, and the version's digest."""
    shown = {} if reference is None else {PROFILE_PATH: msgspec.json.encode(reference)}
    files = {**shown, **{path: path.encode() for path in others}}
    listed = manifest.render((path, _sha(content)) for path, content in files.items())
    return {**shown, manifest.MANIFEST_PATH: listed}, manifest.digest(listed)


def _sha(content: bytes) -> str:
    return manifest.digest(content).removeprefix("sha256:")
