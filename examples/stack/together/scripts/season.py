"""Customers that are made up here, a season at a time: each program that asks for a season gets the same ones.

In spring those leave who complain. In autumn those leave who order little, which a model of the spring does not know.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CUSTOMERS = 2_000
DAYS_AGO = {"spring": 200, "autumn": 20, "broken-export": 10}


@dataclass(frozen=True)
class Customer:
    number: int
    day: datetime
    """On which it was known whether the customer has left. The orders are those of a week before."""
    age: float
    contract: str
    orders_per_month: float
    complaints: int
    churned: int


def customers(season: str) -> Iterator[Customer]:
    """The customers of a season, always in the same order."""
    draw = random.Random(season)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = 1 + CUSTOMERS * list(DAYS_AGO).index(season)
    for number in range(first, first + CUSTOMERS):
        orders, complaints = draw.uniform(0, 8), draw.choice((0, 0, 0, 1, 1, 2, 3))
        score = 1.6 * complaints - 2 if season == "spring" else 2.5 - 1.1 * orders
        age = draw.gauss(41 if season == "spring" else 43, 10)
        yield Customer(
            number=number,
            day=today - timedelta(days=DAYS_AGO[season]),
            age=round(12 * age if season == "broken-export" else age, 1),  # an export in months
            contract=draw.choice(("monthly", "yearly")),
            orders_per_month=round(orders, 2),
            complaints=complaints,
            churned=int(draw.random() < 1 / (1 + math.exp(-score))),
        )
