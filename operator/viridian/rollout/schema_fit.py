"""Whether a challenger takes the requests that the champion answers: by what the servers of both show of their inputs.

A server refuses requests that lack a required column or bring one that the model does not have. So the champion's
columns are those that live requests have. An optional column is one that requests have if no row has lacked it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from viridian.api.input_schema import InputColumn, InputSchema
from viridian.api.texts import one_line

_MOST_NAMES: Final = 10
_LONGEST_NAME: Final = 60
_FLOATS: Final = ("FP16", "FP32", "FP64")
_WHOLE: Final = ("INT8", "INT16", "INT32", "INT64")
"""From the narrowest on."""


def misfit(champion: InputSchema, challenger: InputSchema, also: frozenset[str] = frozenset()) -> str:
    """What of the live requests the challenger would refuse, for people; empty where it takes all of them.

    `also` names columns that both servers take beside the model's own.
    """
    if not champion.columns or not challenger.columns:
        return _of_matrices(champion, challenger)
    theirs = {column.name: column for column in champion.columns}
    ours = {column.name: column for column in challenger.columns}
    required = [column for column in challenger.columns if column.required]
    new = [column.name for column in required if column.name not in theirs]
    optional = [column.name for column in required if column.name in theirs and _lacked(theirs[column.name], champion)]
    dropped = [name for name in theirs if name not in ours and name not in also]
    parts = [
        f"it needs the {_named(new)}, which requests do not have" if new else "",
        f"it needs the {_named(optional)}, which requests may leave out" if optional else "",
        f"it has no {_named(dropped)}, which requests have" if dropped else "",
        *_other_types(theirs, ours),
    ]
    return "; ".join(filter(None, parts))


def _of_matrices(champion: InputSchema, challenger: InputSchema) -> str:
    """At least one of the two takes numbers without names."""
    if champion.columns:
        return "it takes numbers without names, and requests name columns"
    width = len(challenger.columns) or challenger.width
    texts = [column.name for column in challenger.columns if column.datatype not in (*_FLOATS, *_WHOLE)]
    if texts:
        return f"it needs the {_named(texts)}, and requests have numbers without names"
    if champion.width is None or width is None or champion.width == width:
        return ""
    return f"it takes {width} numbers a row, and requests have {champion.width}"


def _lacked(column: InputColumn, schema: InputSchema) -> bool:
    """Whether requests may lack a column of the champion: unless none of the rows that were counted has."""
    if column.required:
        return False
    return column.missing is None or column.missing > 0 or schema.rows == 0


def _other_types(theirs: Mapping[str, InputColumn], ours: Mapping[str, InputColumn]) -> Iterator[str]:
    wrong = [name for name in theirs if name in ours and not _takes(ours[name].datatype, theirs[name].datatype)]
    shown = [f"{_shortened(name)} ({theirs[name].datatype}, now {ours[name].datatype})" for name in wrong]
    if shown:
        yield f"it takes other types of {_listed(shown)}"


def _takes(new: str, former: str) -> bool:
    """Whether values of the former type are values of the new one."""
    if new == former or (new in _FLOATS and former in (*_FLOATS, *_WHOLE)):
        return True
    return new in _WHOLE and former in _WHOLE[: _WHOLE.index(new)]


def _named(names: Iterable[str]) -> str:
    shown = [_shortened(name) for name in names]
    return f"column{'s' if len(shown) > 1 else ''} {_listed(shown)}"


def _listed(shown: list[str]) -> str:
    more = len(shown) - _MOST_NAMES
    return ", ".join(shown[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _shortened(name: str) -> str:
    return one_line(name, _LONGEST_NAME)
