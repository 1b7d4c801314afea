"""Visitors of a shop, made up: which strip of products each of them is shown, and whether she opens one of them.

Nobody in here is real. The taste of the visitors follows the season: it goes from winter to summer in 26 weeks. The
same day has the same visitors whenever it is asked for.
"""

import numpy as np
import pandas as pd

CATEGORIES = np.array(["coats", "boots", "shirts", "sandals", "garden"], dtype=object)
SHOWN_IN_WINTER = np.array([0.30, 0.25, 0.20, 0.14, 0.11])
SHOWN_IN_SUMMER = np.array([0.13, 0.12, 0.20, 0.28, 0.27])
LIKED_IN_WINTER = np.array([1.3, 0.6, -0.2, -0.6, -1.1])
LIKED_IN_SUMMER = np.array([-0.2, -1.0, 0.3, 1.5, 0.4])
DAYS_TO_SUMMER = 182
VISITORS_A_DAY = 1500
SEED = 2026


def summer(day: float) -> float:
    """How far the season has gone: 0 in the middle of winter, 1 in the middle of summer."""
    return float(1 - np.cos(np.pi * day / DAYS_TO_SUMMER)) / 2


def visitors(day: int) -> pd.DataFrame:
    """Everybody of one day: `time` in seconds since midnight, what the model is told, and the `outcome`."""
    chance, season = np.random.default_rng([SEED, day + 1000]), summer(day)
    shown = chance.choice(5, VISITORS_A_DAY, p=(1 - season) * SHOWN_IN_WINTER + season * SHOWN_IN_SUMMER)
    # Nearer to the summer sales, more people look at prices, and they do it more.
    sensitivity = chance.beta(2 + season, 4 - season, VISITORS_A_DAY)
    price = chance.lognormal(3.4, 0.5, VISITORS_A_DAY)
    visits = chance.poisson(3, VISITORS_A_DAY)
    turned = 0.4 * np.pi * season
    liked = np.cos(turned) * LIKED_IN_WINTER[shown] + np.sin(turned) * LIKED_IN_SUMMER[shown]
    liked *= 1 + 0.5 * np.sin(2 * turned)  # between the seasons tastes are no weaker than in them
    dear = (1 + 3 * season) * (sensitivity - (2 + season) / 6) + 0.01 * (price - 33)
    opens = chance.random(VISITORS_A_DAY) < 1 / (1 + np.exp(-(liked - dear + 0.05 * (visits - 3))))
    return pd.DataFrame(
        {
            "time": np.sort(chance.uniform(0, 86_400, VISITORS_A_DAY)),
            "category": CATEGORIES[shown],
            "price_sensitivity": sensitivity.round(3),
            "price": price.round(2),
            "visits": visits,
            "outcome": np.where(opens, "opens", "ignores").astype(object),
        }
    )
