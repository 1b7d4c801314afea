"""The text format of Prometheus for series that belong to objects.

With ten thousand objects there are a hundred thousand series. The library makes an object of each and takes seconds,
in which nobody judges; here an answer is made in slices, and the server does other work between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from prometheus_client.utils import floatToGoString

_SLICE: Final = 500
"""Pieces of text that are joined at a time."""
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def family(name: str, kind: str, text: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """All series of one metric, in slices. A piece holds whole lines, or is empty."""
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()
    left = filter(None, pieces)
    while piece := tuple(islice(left, _SLICE)):
        yield b"".join(piece)


def line(name: str, labels: Mapping[str, str], value: float) -> bytes:
    """One series."""
    pairs = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
    number = floatToGoString(value)  # type: ignore[no-untyped-call]
    return f"{name}{{{pairs}}} {number}\n".encode()
