"""The orders of a season in both stores of Feast; without a season the stores and the registry alone, with no order."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import definition
import pandas as pd
from feast import FeatureStore

REPOSITORY = Path(os.environ["FEAST_REPOSITORY"])
OFFLINE = REPOSITORY / "data" / "orders.parquet"
TYPES = {"customer_id": "int64", "orders_per_month": "float64", "complaints": "int64"}


def feast(*arguments: str) -> None:
    subprocess.run(["feast", "--chdir", str(REPOSITORY), *arguments], check=True)


def orders(season: str) -> pd.DataFrame:
    """Those of a week before it was known who has left."""
    from season import customers

    made = [
        (one.number, one.orders_per_month, one.complaints, one.day - timedelta(days=7)) for one in customers(season)
    ]
    return pd.DataFrame(made, columns=[*TYPES, "event_timestamp"])


name = os.environ.get("SEASON", "")
parts = (
    [orders(name)] if name else [pd.DataFrame(columns=[*TYPES]).assign(event_timestamp=pd.to_datetime([], utc=True))]
)
if OFFLINE.exists():
    parts.insert(0, pd.read_parquet(OFFLINE))
everything = pd.concat([part for part in parts if len(part)] or parts).drop_duplicates("customer_id", keep="last")
everything.astype(TYPES).to_parquet(OFFLINE)
feast("apply")
if name:
    feast("materialize", "2020-01-01T00:00:00", datetime.now(UTC).isoformat(timespec="seconds"))
print(definition.digest_of(FeatureStore(str(REPOSITORY)), "churn"))
