"""What containers of stages are given that say nothing of it themselves."""

from __future__ import annotations

from typing import Annotated, Final

from viridian.api.schema import Rule, Struct, doc

_CPUS: Final = Rule(
    rule="self.matches('^([1-9][0-9]{0,4}m|[0-9]{1,3}([.][0-9]{1,3})?)$') && !self.matches('^[0.]*$')",
    message="write CPUs above 0, such as 500m or 2",
)
_GIGABYTES: Final = Rule(
    rule="self.matches('^[1-9][0-9]{0,3}([.][0-9]{1,3})?(Gi|Ti|G|T)$')",
    message="write at least 1Gi with its unit, such as 8Gi",
)


class DefaultResources(Struct, frozen=True, kw_only=True):
    """Resources of containers of stages that write none. What a container writes counts."""

    cpu: (
        Annotated[
            str,
            doc(
                "CPUs that the container of a stage requests if it writes none. Left out: no request.",
                max_length=8,
                rules=(_CPUS,),
            ),
        ]
        | None
    ) = None
    memory: (
        Annotated[
            str,
            doc(
                "Limit of memory of each container that writes nothing of memory. Left out: 16Gi.",
                max_length=12,
                rules=(_GIGABYTES,),
            ),
        ]
        | None
    ) = None
