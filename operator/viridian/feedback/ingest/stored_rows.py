"""What is taken away from rows before they are stored: the collector does not rely on what servers have done."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from viridian.api.feedback import RetentionRules, Value
from viridian.api.privacy import keyed_hash

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Filter:
    """The rules of one deployment, ready for rows."""

    key: bytes
    deny: frozenset[str] = frozenset()
    hash: frozenset[str] = frozenset()
    allow: frozenset[str] | None = None
    retention_seconds: float | None = None

    def features(self, features: Mapping[str, Value]) -> dict[str, Value]:
        """What may be stored of a row."""
        if not self.deny and not self.hash and self.allow is None:
            return dict(features)
        kept = {name: value for name, value in features.items() if name not in self.deny}
        if self.allow is not None:
            kept = {name: value for name, value in kept.items() if name in self.allow}
        for name in self.hash & kept.keys():
            kept[name] = self.pseudonym(kept[name])
        return kept

    def pseudonym(self, value: Value) -> str | None:
        """The keyed hash of a value; a digest, which a server has made of it with its own key, stays as it is."""
        if value is None or (isinstance(value, str) and _DIGEST.fullmatch(value)):
            return value
        return keyed_hash(self.key, value)


class Privacy:
    """The rules of all deployments: what is configured here, and on top of it what each has been given."""

    def __init__(
        self, key: bytes, everywhere: RetentionRules, configured: Mapping[tuple[str, str], RetentionRules]
    ) -> None:
        self._key = key
        self._everywhere = everywhere
        self._configured = configured
        self._given: dict[tuple[str, str], RetentionRules] = {}
        self._closed: set[tuple[str, str]] = set()

    def give(self, namespace: str, deployment: str, rules: RetentionRules) -> None:
        """From now on these count as well."""
        self._given[namespace, deployment] = rules
        self._closed.discard((namespace, deployment))

    def close(self, namespace: str, deployment: str) -> None:
        """The deployment is gone; its rules count as long as something is kept of it."""
        if (namespace, deployment) in self._given:
            self._closed.add((namespace, deployment))

    def forget(self, namespace: str, deployment: str) -> None:
        """Nothing is kept of it any more."""
        if (namespace, deployment) in self._closed:
            self._closed.remove((namespace, deployment))
            del self._given[namespace, deployment]

    @property
    def closed(self) -> list[tuple[str, str]]:
        """Those that are gone and of which something may be kept."""
        return sorted(self._closed)

    def knows(self, namespace: str, deployment: str) -> bool:
        """Whether rows of this deployment are taken: it was given rules, or is named in the file of rules."""
        place = (namespace, deployment)
        return place in self._configured or (place in self._given and place not in self._closed)

    def knows_namespace(self, namespace: str) -> bool:
        """Whether outcomes are taken: also of a deployment that is gone, as long as something is kept of it."""
        return any(namespace == known for known, _ in itertools.chain(self._configured, self._given))

    def of(self, namespace: str, deployment: str) -> Filter:
        """All that counts for one deployment together."""
        place = (namespace, deployment)
        in_force = [
            rules
            for rules in (self._everywhere, self._configured.get(place), self._given.get(place))
            if rules is not None
        ]
        allowed = [frozenset(rules.allow) for rules in in_force if rules.allow is not None]
        retentions = [rules.retention_seconds for rules in in_force if rules.retention_seconds is not None]
        return Filter(
            key=self._key,
            deny=frozenset(name for rules in in_force for name in rules.deny),
            hash=frozenset(name for rules in in_force for name in rules.hash),
            allow=frozenset.intersection(*allowed) if allowed else None,
            retention_seconds=min(retentions, default=None),
        )

    def subject(self, subject: str) -> str:
        """The form in which subjects are stored, whatever the deployment."""
        return Filter(self._key).pseudonym(subject) or ""
