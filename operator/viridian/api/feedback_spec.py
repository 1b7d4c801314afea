"""What is kept of a model's answers: `spec.feedback` of a ModelDeployment."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from viridian.api import cel_monitoring as cel
from viridian.api.cel import ENTRY_OF_SECRET, SECRET_NAME
from viridian.api.schema import Rule, Struct, doc, duration

MAX_COLUMNS: Final = 200


class KeyRef(Struct, frozen=True, kw_only=True):
    """A key of a Secret in the same namespace."""

    name: Annotated[str, doc("Name of the Secret.", min_length=1, max_length=253, rules=(SECRET_NAME,))]
    key: Annotated[str, doc("Key in the Secret.", min_length=1, max_length=253, rules=(ENTRY_OF_SECRET,))] = "key"


Column = Annotated[str, doc("Name of a column as the model knows it.", min_length=1, max_length=256)]


class Columns(Struct, frozen=True, kw_only=True):
    """What becomes of columns before anything is stored."""

    deny: Annotated[tuple[Column, ...], doc("Columns that never leave the server.", max_length=MAX_COLUMNS)] = ()
    hash: Annotated[
        tuple[Column, ...],
        doc("Columns of which only a keyed hash (HMAC-SHA-256) leaves the server.", max_length=MAX_COLUMNS),
    ] = ()


class Feedback(Struct, frozen=True, kw_only=True):
    """Answers are sent to the collector, which joins them with their outcomes."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.HASH_NEEDS_KEY, cel.DENY_OR_HASH)

    sampling: Annotated[int, doc("Share of the answered rows that is kept, in percent.", ge=0, le=100)] = 100
    columns: Annotated[Columns, doc("What becomes of columns before anything is stored.")] = msgspec.field(
        default_factory=Columns
    )
    subject: (
        Annotated[
            str,
            doc(
                "Column that says whom a row is about. A keyed hash of it is kept beside the row, so that all that is "
                "kept about somebody can be erased.",
                min_length=1,
                max_length=256,
            ),
        ]
        | None
    ) = None
    hash_key_secret_ref: (
        Annotated[KeyRef, doc("The key of the hashes; needed by `columns.hash` and `subject`.")] | None
    ) = None
    retention: Annotated[str, duration("How long rows are kept.", at_least="1h")] = "90d"
    label_maturity: Annotated[
        str,
        duration("How long after a prediction its outcome counts as known; monitors of performance wait so long."),
    ] = "0s"
    label_definition: Annotated[
        str,
        doc(
            "Monitors count outcomes that were sent under this definition of the label, such as churned-30d; empty: "
            "under any. Change it together with objective.labelDefinition of the RetrainPolicy.",
            max_length=250,
        ),
    ] = ""
