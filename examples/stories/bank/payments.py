"""Payments of a bank, made up: what is known of each when it is made, and whether it turned out to be a fraud.

No customer in here is real. Three things happen on known days: the app begins to send a fingerprint of the device, of
which the model gets the age, and months later thieves change their ways. The same day has the same payments whenever
it is asked for.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PAYMENTS_A_DAY = 4000
FRAUD_SHARE = 0.05
FINGERPRINT_DAY = 16
"""From here on payments say for how many days the customer has had the device."""
NEW_PATTERN_DAY = 62
"""From here on half of the thieves talk their victims into many small payments from their own device."""
SEED = 1863


def payments(day: int) -> pd.DataFrame:
    """Those of one day: `time` in seconds since midnight, what the model is told, the `outcome`, and the `pattern`,
    which nobody at the bank knows."""
    chance, rows = np.random.default_rng([SEED, day + 1000]), PAYMENTS_A_DAY
    fraud = chance.random(rows) < FRAUD_SHARE
    talked = fraud & (chance.random(rows) < 0.5) & (day >= NEW_PATTERN_DAY)
    stolen = fraud & ~talked

    def among(of_thieves: float, of_customers: float, of_talked: float) -> NDArray[np.float64]:
        """A number for each row, by who pays."""
        return np.where(stolen, of_thieves, np.where(talked, of_talked, of_customers))

    seconds = np.sort(chance.uniform(0, 86_400, rows))
    device = np.floor(chance.exponential(among(50, 250, 250)))
    sent = (day >= FINGERPRINT_DAY) & (chance.random(rows) < 0.98)
    return pd.DataFrame(
        {
            "time": seconds,
            "amount": chance.lognormal(among(5.0, 4.0, 3.2), 0.8).round(2),
            "hour": seconds // 3600,
            "new_payee": (chance.random(rows) < among(0.85, 0.25, 0.9)).astype(float),
            "abroad": (chance.random(rows) < among(0.6, 0.12, 0.02)).astype(float),
            "payments_last_hour": chance.poisson(among(0.8, 0.4, 4.0)).astype(float),
            "device_days": np.where(sent, device, np.nan),
            "outcome": np.where(fraud, "theft", "genuine").astype(object),
            "pattern": np.where(talked, "talked into it", np.where(stolen, "stolen card", "")).astype(object),
        }
    )
