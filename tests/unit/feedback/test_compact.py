"""What is stored of a profile is all of it, in a fraction of the room."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.feedback.room import live_profile
from viridian.api.profile import Categories, Numbers, Profile, Sketch
from viridian.feedback.storage.packed_profiles import packed, shape, shape_of, unpacked

counts = st.integers(0, (1 << 63) - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def numbers(draw: st.DrawFn) -> Numbers:
    edges = tuple(sorted(draw(st.sets(finite, max_size=5))))
    size = len(edges) + 1
    return Numbers(
        edges=edges,
        counts=tuple(draw(st.lists(counts, min_size=size, max_size=size))),
        missing=draw(counts),
        mean=draw(finite),
        m2=draw(finite),
        finite=draw(counts),
        minimum=draw(st.none() | finite),
        maximum=draw(st.none() | finite),
    )


@st.composite
def categories(draw: st.DrawFn) -> Categories:
    names = tuple(draw(st.lists(st.text(max_size=5), max_size=5, unique=True)))
    known = tuple(draw(st.lists(counts, min_size=len(names), max_size=len(names))))
    return Categories(names=names, counts=known, other=draw(counts), missing=draw(counts))


sketches: st.SearchStrategy[Sketch] = numbers() | categories()
profiles = st.builds(
    Profile,
    features=st.dictionaries(st.text(max_size=5), sketches, max_size=4),
    prediction=sketches,
    rows=counts,
    sampled=counts,
)


@given(profiles)
def test_nothing_is_lost(profile: Profile) -> None:
    restored = unpacked(shape(shape_of(profile)), packed(profile))
    assert restored == profile
    assert list(restored.features) == list(profile.features)


@given(profiles, profiles)
def test_profiles_of_one_shape_have_the_same_bins(one: Profile, other: Profile) -> None:
    assert (shape_of(one) == shape_of(other)) == (_bins(one) == _bins(other))


def _bins(profile: Profile) -> list[tuple[str, bytes]]:
    sketches = [*profile.features.items(), ("", profile.prediction)]
    return [
        (name, msgspec.json.encode(sketch.edges if isinstance(sketch, Numbers) else [sketch.names]))
        for name, sketch in sketches
    ]


def test_a_window_takes_a_tenth_of_its_json() -> None:
    profile = live_profile(50)
    assert len(packed(profile)) * 10 < len(msgspec.json.encode(profile))
    assert math.isfinite(len(shape_of(profile)))
