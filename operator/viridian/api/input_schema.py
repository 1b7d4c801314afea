"""What a model takes, as its server shows it to the operator: columns of its signature, and what requests lacked."""

from __future__ import annotations

from typing import Final

import msgspec

SCHEMA_PATH: Final = "/schema"
"""On the management port, GET with the operator's proof: an InputSchema."""


class InputColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A named input of the model."""

    name: str
    datatype: str
    """In the words of the Open Inference Protocol: FP64, INT64, BOOL, BYTES, …"""
    required: bool = True
    missing: int | None = None
    """Rows in which it was left out or null; None where nobody has counted."""


class InputSchema(msgspec.Struct, frozen=True, kw_only=True):
    """All inputs of the model. A server refuses requests with columns that are none of them."""

    columns: tuple[InputColumn, ...] = ()
    """Empty for a model that takes a matrix of numbers without names."""
    width: int | None = None
    """Of such a matrix; None where the model does not say."""
    rows: int = 0
    """Answered rows of users in which columns could be missing."""
