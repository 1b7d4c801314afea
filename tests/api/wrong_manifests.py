"""The table of wrong manifests, from the two YAML files beside this one: a mistake, and the answer that helps.

What can be seen in the object alone is refused by the API server (`Refused`). What depends on other objects, or what
only Kubernetes itself knows, is answered by the operator in a condition (`Told`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.documents import document
from tests.support.manifests import Manifest, model_deployment, retrain_policy

_TABLES: Final = (
    ("wrong_modeldeployments.yaml", model_deployment),
    ("wrong_retrainpolicies.yaml", retrain_policy),
)


@dataclass(frozen=True)
class Refused:
    """The API server takes no such object; its message contains this text."""

    says: str


@dataclass(frozen=True)
class OutcomeInput:
    """The object is stored, and the operator answers with this condition; its message contains the text."""

    type: str
    status: str
    reason: str
    says: str


@dataclass(frozen=True)
class Wrong:
    """One row."""

    mistake: str
    change: Mapping[str, Any]
    answer: Refused | OutcomeInput
    right: Callable[[str], Manifest]
    given: Sequence[Manifest] = ()
    """What is in the namespace before, without its name."""

    def before(self, namespace: str) -> list[Manifest]:
        """What the namespace holds already."""
        return [merged(manifest, {"metadata": {"namespace": namespace}}) for manifest in self.given]

    def manifest(self, namespace: str) -> Manifest:
        """The smallest useful manifest with the mistake in it."""
        return merged(self.right(namespace), self.change)


def rows(answer: type[Refused] | type[OutcomeInput]) -> list[Wrong]:
    """All rows of both kinds with this sort of answer."""
    return [row for file, right in _TABLES for row in _read(file, right) if isinstance(row.answer, answer)]


def merged(target: Any, change: Mapping[str, Any]) -> Manifest:
    """JSON merge patch (RFC 7386)."""
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, Mapping) else value
    return result


def _read(file: str, right: Callable[[str], Manifest]) -> list[Wrong]:
    table = document(Path(__file__).with_name(file).read_text())
    return [Wrong(row["mistake"], row["change"], _answer(row), right, row.get("given", ())) for row in table]


def _answer(row: Mapping[str, Any]) -> Refused | OutcomeInput:
    return Refused(row["refused"]) if "refused" in row else OutcomeInput(**row["condition"])
