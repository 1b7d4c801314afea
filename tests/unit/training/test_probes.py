"""Which rows are asked about besides the holdout."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from viridian.training.probes import MOST_CHANGED, MOST_COMBINED, Probe, as_rows, changed, combined, named, some_of
from viridian.training.rows import EXACT, Rows, rows_of

KNOWN = rows_of(
    pd.DataFrame(
        {
            "age": [1.5, 2.5, None, 40.0],
            "visits": [3, 7, 9, 7],
            "member": [True, False, True, True],
            "city": ["Köln", "Lyon", "Lyon", None],
        }
    )
)


def single() -> list[Probe]:
    return changed(KNOWN, len(KNOWN), {"age": np.array([2.0, np.inf])})


def values(column: str) -> list[object]:
    return [probe.changes[column] for probe in single() if list(probe.changes) == [column]]


def test_the_same_rows_make_the_same_probes() -> None:
    assert repr(single()) == repr(single())
    assert repr(combined(single(), 4)) == repr(combined(single(), 4))


def test_numbers_lie_between_beside_and_far_from_the_known() -> None:
    ages = set(values("age"))
    assert {2.0, 0.0, 1e300, -1e300, 2.0**53, float(np.nextafter(2.5, 3)), float(np.nextafter(2.0, 0)), 5e-324} <= ages
    assert None in ages
    assert 2.0 < min(age for age in ages if isinstance(age, float) and 2.0 < age < 2.1) < 2.0 + 1e-6


def test_whole_numbers_stay_whole_and_within_what_requests_hold() -> None:
    visits = values("visits")
    assert {0, -1, 5, 8, 2, 10, 2**24 + 1, EXACT - 1, 1 - EXACT} <= set(visits)
    assert all(type(visit) is int and abs(visit) < EXACT for visit in visits)


def test_texts_are_unknown_empty_blank_strange_and_long() -> None:
    cities = [city for city in values("city") if isinstance(city, str)]
    assert {"", " ", " Köln ", "LYON", "\u0139yon", "L\u0301yon", "🙂", "Köln Lyon"} <= set(cities)
    assert max(map(len, cities)) == 5000


def test_what_must_have_a_value_has_one() -> None:
    assert None not in values("visits")
    assert None not in values("member")
    every = [probe for probe in single() if len(probe.changes) > 1]
    assert {tuple(probe.changes.items()) for probe in every} == {(("age", None), ("city", None))}


def test_what_it_is_called_holds_no_known_value() -> None:
    told = " ".join(probe.what for probe in [*single(), *combined(single(), 4)])
    assert not any(value in told for value in ("Köln", "Lyon", "1.5", "40"))
    assert "no value in 'age'" in told
    assert "letters beyond ASCII in 'city'" in told


@pytest.mark.parametrize("columns", [1, 30, 300, 3000])
def test_there_are_not_too_many_and_they_reach_all_columns(columns: int) -> None:
    numbers = np.random.default_rng(1).normal(size=(50, columns))
    numbers[0] = np.nan
    wide = rows_of(numbers)
    probes = changed(wide, 50, {})
    assert 20 <= len(probes) <= 2 * MOST_CHANGED + 8
    assert len({name for probe in probes if len(probe.changes) == 1 for name in probe.changes}) >= min(columns, 1000)
    assert any(probe.changes.keys() == set(wide.names) for probe in probes)
    assert len({probe.what.rpartition(" in ")[0] for probe in probes}) >= 9
    assert len(combined(probes, 50)) <= MOST_COMBINED


def test_rows_are_those_that_the_reader_would_give() -> None:
    probes = [Probe(1, {"age": None, "city": ""}, "a"), Probe(2, {"member": False}, "b")]
    made = named(probes, KNOWN)
    assert [values.tolist() for values in made.rows.values.values()][1:] == [[7.0, 9.0], [False, False], ["", "Lyon"]]
    assert np.isnan(made.rows.values["age"]).all()
    assert made.what == ("a", "b")


def test_several_changes_leave_out_the_large() -> None:
    several = combined(single(), len(KNOWN))
    assert len(several) == MOST_COMBINED
    assert max(probe.size for probe in several) < 1e6
    assert any(len(probe.changes) > 2 for probe in several)


def test_some_rows_are_spread_over_all() -> None:
    many = rows_of(np.arange(1000.0)[:, None])
    assert some_of(many, 3).values["f0"].tolist() == [0.0, 499.0, 999.0]
    assert len(some_of(many, 5000)) == 1000
    assert isinstance(as_rows([], many), Rows)
