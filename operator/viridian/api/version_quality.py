"""The known versions of a model beside each other, as the status of a RetrainPolicy shows them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from viridian.api.schema import Struct, doc, named, word

MAX_COMPARED: Final = 10


class ComparedVersion(Struct, frozen=True, kw_only=True):
    """One version on the common holdout."""

    version: Annotated[str, word("Version in the registry.")]
    outcome: Annotated[
        str, word("Outcome of the run that made it; absent where it is known from comparisons alone.")
    ] = ""
    score: (
        Annotated[
            float,
            doc(
                "Weighted mean of its gains over the champion, each as a share of the champion's number: 0 for the "
                "champion, above 0 for what is better. Absent where a number is missing."
            ),
        ]
        | None
    ) = None
    metrics: Annotated[dict[str, float], doc("What counts, on the holdout.", max_length=20)] = msgspec.field(
        default_factory=dict
    )


class QualityStatus(Struct, frozen=True, kw_only=True):
    """Champion and known versions on one holdout."""

    holdout: Annotated[str, word("Digest of the newest holdout on which the champion was measured.")]
    champion: Annotated[str, word("The version that the others are compared with.")]
    best: (
        Annotated[str, word("The version that passed its gate and is better than the champion; absent where none is.")]
        | None
    ) = None
    trend: (
        Annotated[
            float,
            doc(
                "Change of the score from one version that was handed over to the next: the median over all pairs. "
                "Absent for fewer than three."
            ),
        ]
        | None
    ) = None
    versions: Annotated[
        tuple[ComparedVersion, ...],
        named("version", "The versions that were measured on that holdout, oldest first.", max_length=MAX_COMPARED),
    ] = ()
