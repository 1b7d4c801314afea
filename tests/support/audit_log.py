"""The audit log of the API server: every write of the operator, whatever became of the object afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.support.shipped import OPERATOR

_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Write:
    """What was asked for, whether it was granted or not."""

    verb: str
    resource: str
    """With the subresource, where there is one: `retrainpolicies/status`."""
    name: str


@dataclass(frozen=True)
class AuditLog:
    """A folder that the API server writes to."""

    folder: Path

    def flags(self) -> tuple[str, ...]:
        """For the API server. An entry stands in the log before its request is answered."""
        policy = self.folder / "policy.yaml"
        rules = [{"level": "Metadata", "users": [OPERATOR], "verbs": list(_WRITES)}, {"level": "None"}]
        document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
        policy.write_text(yaml.safe_dump({**document, "rules": rules}))
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self._log}", "--audit-log-mode=blocking")

    def writes(self, namespace: str) -> Iterator[Write]:
        """Those of the operator in that namespace, the oldest first."""
        for line in self._log.read_text().splitlines():
            entry = json.loads(line)
            about = entry.get("objectRef") or {}
            if about.get("namespace") == namespace:
                resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
                yield Write(entry["verb"], resource, about.get("name", ""))

    @property
    def _log(self) -> Path:
        return self.folder / "audit.log"
