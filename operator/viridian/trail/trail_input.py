"""What a pass over the trail of one object has read, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viridian.core.lookup import Object, annotations_of, mapping, text
from viridian.core.obstacles import NO_OBSTACLES, Obstacles


@dataclass(frozen=True, slots=True)
class RegistryGap:
    """Why the registry could not be asked: a reason of `viridian.api.reasons`, and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class TrailPage:
    """The MLflow run that holds the entries of one object and month."""

    run_id: str
    tags: frozenset[str] = field(default_factory=frozenset)
    """Names of its tags: the entries that it has, among others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailInput:
    """A ModelDeployment or a RetrainPolicy as its trail sees it."""

    manifest: Object = field(repr=False)
    children: tuple[Object, ...] = field(default=(), repr=False)
    """The ControllerRevisions with its label."""
    has_registry: bool = False
    """Whether the operator knows an MLflow; without one the trail is no longer than its journal."""
    page: TrailPage | None = None
    """Where the entry belongs that waits longest; None where there is none yet, or nothing waits."""
    gap: RegistryGap | None = None
    has_sink: bool = False
    """Whether entries are sent as events, too."""
    delivered: int = 0
    """Up to which number the sink has taken them, as far as this pass knows."""
    sink_gap: str = ""
    """Why it has not taken the next one: a sentence for people."""
    obstacles: Obstacles = field(default_factory=lambda: NO_OBSTACLES)

    @property
    def kind(self) -> str:
        return text(self.manifest, "kind")

    @property
    def name(self) -> str:
        return text(self.manifest, "metadata", "name")

    @property
    def namespace(self) -> str:
        return text(self.manifest, "metadata", "namespace")

    @property
    def uid(self) -> str:
        return text(self.manifest, "metadata", "uid")

    @property
    def generation(self) -> int:
        found = mapping(self.manifest, "metadata").get("generation")
        return found if isinstance(found, int) else 0

    @property
    def annotations(self) -> Mapping[str, str]:
        return annotations_of(self.manifest)

    @property
    def status(self) -> Object:
        return mapping(self.manifest, "status")
