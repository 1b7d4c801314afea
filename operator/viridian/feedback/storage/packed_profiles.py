"""Profiles as they are stored: what never changes once (the shape), what was counted as packed numbers."""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from viridian.api.profile import Categories, Numbers, Profile, Sketch

_shapes: Final = msgspec.json.Decoder(Profile)
_tallies: Final = msgspec.msgpack.Decoder(tuple[int, int, list[list[Any]]])


def shape_of(profile: Profile) -> bytes:
    """The profile of no rows, as JSON: edges and names, which all windows of a model have in common."""
    empty = Profile(
        features={name: _without_counts(sketch) for name, sketch in profile.features.items()},
        prediction=_without_counts(profile.prediction),
        rows=0,
        sampled=0,
    )
    return msgspec.json.encode(empty)


def packed(profile: Profile) -> bytes:
    """All that its shape does not say. OverflowError where a count does not fit into 64 bits."""
    tallies = [_tally(sketch) for sketch in (*profile.features.values(), profile.prediction)]
    return zlib.compress(msgspec.msgpack.encode((profile.rows, profile.sampled, tallies)))


def shape(document: bytes) -> Profile:
    """What `shape_of` made."""
    return _shapes.decode(document)


def unpacked(shape: Profile, content: bytes) -> Profile:
    """The profile. Profiles of one shape share its edges and names, which makes comparing them cheap."""
    rows, sampled, tallies = _tallies.decode(zlib.decompress(content))
    *features, prediction = tallies
    return Profile(
        features={
            name: _with_counts(sketch, tally)
            for (name, sketch), tally in zip(shape.features.items(), features, strict=True)
        },
        prediction=_with_counts(shape.prediction, prediction),
        rows=rows,
        sampled=sampled,
    )


def _without_counts(sketch: Sketch) -> Sketch:
    if isinstance(sketch, Numbers):
        return Numbers(edges=sketch.edges, counts=())
    return Categories(names=sketch.names, counts=())


def _tally(sketch: Sketch) -> tuple[Any, ...]:
    if isinstance(sketch, Numbers):
        moments = (sketch.missing, sketch.finite, sketch.mean, sketch.m2, sketch.minimum, sketch.maximum)
        return (*moments, *sketch.counts)
    return (sketch.missing, sketch.other, *sketch.counts)


def _with_counts(sketch: Sketch, tally: list[Any]) -> Sketch:
    if isinstance(sketch, Numbers):
        missing, finite, mean, m2, minimum, maximum, *counts = tally
        return Numbers(
            edges=sketch.edges,
            counts=tuple(counts),
            missing=missing,
            mean=mean,
            m2=m2,
            finite=finite,
            minimum=minimum,
            maximum=maximum,
        )
    missing, other, *counts = tally
    return Categories(names=sketch.names, counts=tuple(counts), other=other, missing=missing)
