"""What Kopf keeps of an object to compare the next one with: nothing.

Its own storages copy each object with each event, for handlers of changes. There are none.
"""

from __future__ import annotations

import kopf


class NothingCompared(kopf.DiffBaseStorage):
    """For `settings.persistence.diffbase_storage`."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Kopf stores nothing for raw events."""
