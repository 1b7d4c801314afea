"""Which parts of a model's life a policy and its ModelDeployment have, for its status."""

from __future__ import annotations

from typing import Annotated

from viridian.api.schema import Struct, prose, word


class ComponentStatus(Struct, frozen=True, kw_only=True):
    """One part. Each is optional: what is absent is no error."""

    name: Annotated[str, word("DataVersions, Features, Registry, Feedback, Monitoring or Retraining.")]
    state: Annotated[str, word("Configured or Absent.")]
    message: Annotated[str, prose("By what it is configured, or what to write.")] = ""
