"""The list of models: the worst first, filters, counts, and what of it no status can spoil."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.dashboard_models import condition, listed, model, on_trial
from viridian.dashboard.views.portfolio import PAGE_ROWS, Portfolio, PortfolioQuery, portfolio

BROKEN = condition("Ready", "False", "ChampionUnavailable", "no pod of the champion is ready")
MODELS = [
    model("pricing", "shop"),
    on_trial("churn"),
    model("fraud", conditions=[BROKEN]),
    model("alerts", challenger={"slot": "green", "revision": "aa", "version": "9", "weight": 5}),
]


def shown(**query: Any) -> Portfolio:
    return portfolio(listed(MODELS), PortfolioQuery(**query))


def names(found: Portfolio) -> list[str]:
    return [row.name for row in found.rows]


def test_those_that_somebody_has_to_look_at_come_first() -> None:
    assert names(shown()) == ["fraud", "churn", "alerts", "pricing"]
    assert [count.number for count in shown().counts] == [1, 1, 1, 1]


def test_a_row_says_what_is_due() -> None:
    (row,) = shown(text="churn").rows
    assert (row.champion, row.challenger, row.step, row.weight) == ("6", "7", "sign-off (10 %)", 10)
    assert (row.drifts, row.drill, row.review) == (("inputs",), "DrillOverdue", "ReviewOverdue")
    assert (shown().drifting, shown().drills_due, shown().reviews_due) == (1, 1, 1)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "ML/ch"}, ["churn"]),
        ({"text": "championunavailable"}, ["fraud"]),
        ({"text": "ml 9"}, ["alerts"]),
        ({"namespace": "shop"}, ["pricing"]),
        ({"health": "broken"}, ["fraud"]),
        ({"health": "broken", "text": "pricing"}, []),
        ({"health": "no such state"}, []),
        ({"text": "<script>"}, []),
    ],
)
def test_filters(query: dict[str, str], expected: list[str]) -> None:
    assert names(shown(**query)) == expected


def test_a_count_leads_to_its_models_and_back() -> None:
    (broken, *_) = shown(text="f").counts
    assert broken.address == "/?q=f&health=broken"
    (chosen, *_) = shown(text="f", health="broken").counts
    assert (chosen.chosen, chosen.address) == (True, "/?q=f")


def test_counts_follow_the_search_and_not_the_chosen_state() -> None:
    assert [count.number for count in shown(namespace="ml", health="broken").counts] == [1, 1, 1, 0]


def test_a_status_of_another_release_costs_its_unknown_part_alone() -> None:
    strange = model("strange", champion={"slot": "purple"})
    found = portfolio(listed([strange, *MODELS]), PortfolioQuery(text="strange"))
    (row,) = found.rows
    (known,) = portfolio(listed([model("strange")]), PortfolioQuery()).rows
    assert (row.champion, row.reason, row.health) == ("", known.reason, known.health)
    assert portfolio(listed([strange, *MODELS]), PortfolioQuery()).found == len(MODELS) + 1


def test_a_model_without_a_status_is_there() -> None:
    bare = model("bare")
    del bare["status"]
    assert names(portfolio(listed([bare]), PortfolioQuery())) == ["bare"]


def test_many_models_are_pages() -> None:
    many = [model(f"m-{number:04}") for number in range(2 * PAGE_ROWS + 1)]
    last = portfolio(listed(many), PortfolioQuery(page=99))
    assert (last.pages, last.query.page, names(last)) == (3, 3, [f"m-{2 * PAGE_ROWS:04}"])
    assert names(portfolio(listed(many), PortfolioQuery(page=2)))[0] == f"m-{PAGE_ROWS:04}"


@pytest.mark.parametrize("page", ["", "0", "-1", "1e9", "9999999999999", "²", "two"])
def test_a_page_that_is_no_number_is_the_first(page: str) -> None:
    assert PortfolioQuery.of({"page": page}).page == 1


def test_an_address_keeps_what_was_looked_for() -> None:
    query = PortfolioQuery.of({"q": " a&b ", "labels": "team=x", "page": "2"})
    assert query.address(page=3) == "/?q=a%26b&labels=team%3Dx&page=3"
    assert query.address() == "/?q=a%26b&labels=team%3Dx"
