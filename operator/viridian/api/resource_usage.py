"""What a stage used of CPUs and memory, as its own container has measured it."""

from __future__ import annotations

from typing import Annotated

from viridian.api.schema import Struct, doc


class ResourceUsage(Struct, frozen=True, kw_only=True):
    """What the containers of stages measured. What none of them has reported is left out."""

    cpu_seconds: Annotated[float, doc("CPU time that was used, until the report was written.")] | None = None
    peak_memory_bytes: (
        Annotated[int, doc("The most memory that a container used at a time, cached files included.")] | None
    ) = None
