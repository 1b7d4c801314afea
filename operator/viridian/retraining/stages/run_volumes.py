"""The volume of a run in the pods of its stages.

Each stage writes to a directory of its own on it, which later stages find read-only. Checkpoints have another, which a
retry finds again. A stage whose earlier result counts has written to the volume of an earlier run: that is mounted too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from viridian.api.run_storage import Storage
from viridian.core.plan import Manifest

OUT_DIR: Final = "/viridian/out"
IN_DIR: Final = "/viridian/in"
CHECKPOINT_DIR: Final = "/viridian/checkpoints"
_VOLUME: Final = "viridian-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVolumes:
    """What the pod of a stage mounts."""

    stage: str
    # The PersistentVolumeClaim of the run.
    claim: str
    # Name of each earlier stage to the claim that it wrote to.
    inputs: Mapping[str, str] = field(default_factory=dict)

    def volumes(self) -> list[dict[str, Any]]:
        return [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for claim, name in self._names().items()]

    def mounts(self) -> list[dict[str, Any]]:
        names = self._names()
        return [
            {"name": names[self.claim], "mountPath": OUT_DIR, "subPath": f"stages/{self.stage}"},
            {"name": names[self.claim], "mountPath": CHECKPOINT_DIR, "subPath": f"checkpoints/{self.stage}"},
            *(
                {"name": names[claim], "mountPath": f"{IN_DIR}/{stage}", "subPath": f"stages/{stage}", "readOnly": True}
                for stage, claim in self.inputs.items()
            ),
        ]

    def _names(self) -> dict[str, str]:
        """Claim to the name of its volume."""
        earlier = dict.fromkeys(claim for claim in self.inputs.values() if claim != self.claim)
        return {self.claim: _VOLUME} | {claim: f"{_VOLUME}-{number}" for number, claim in enumerate(earlier, 2)}


def claim_manifest(metadata: Mapping[str, Any], storage: Storage) -> Manifest:
    """The PersistentVolumeClaim of a run."""
    named = {"storageClassName": storage.storage_class_name} if storage.storage_class_name else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": dict(metadata),
        "spec": {
            "accessModes": [storage.access_mode.value],
            "resources": {"requests": {"storage": storage.size}},
            **named,
        },
    }
