"""The same checks as a script writes them with pandas: the file is read whole, and each column is looked at in turn."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score


def found(checks: list[dict[str, Any]], rows: Any) -> Iterator[tuple[str, str]]:
    """Check and column of everything that is wrong."""
    for check in checks:
        for kind, asked in check.items():
            yield from ((kind, column) for column in FINDERS[kind](asked, rows))


def schema(asked: dict[str, Any], rows: Any) -> list[str]:
    return sorted({column["name"] for column in asked["columns"]} ^ set(rows.columns))


def row_count(asked: dict[str, Any], rows: Any) -> list[str]:
    return [""] if len(rows) < asked["min"] else []


def nulls(asked: dict[str, Any], rows: Any) -> list[str]:
    return [name for name in asked["columns"] if rows[name].isna().mean() > asked["maxShare"]]


def in_range(asked: dict[str, Any], rows: Any) -> list[str]:
    values = rows[asked["column"]]
    return [asked["column"]] if ((values < asked["min"]) | (values > asked["max"])).any() else []


def categories(asked: dict[str, Any], rows: Any) -> list[str]:
    return [] if rows[asked["column"]].isin(asked["values"]).all() else [asked["column"]]


def unique(asked: dict[str, Any], rows: Any) -> list[str]:
    return [", ".join(asked["columns"])] if rows.duplicated(asked["columns"]).any() else []


def freshness(asked: dict[str, Any], rows: Any) -> list[str]:
    age = datetime.now(UTC).replace(tzinfo=None) - rows[asked["column"]].max()
    return [asked["column"]] if age > pd.Timedelta(asked["maxAge"]) else []


def label_rate(asked: dict[str, Any], rows: Any) -> list[str]:
    return [] if asked["min"] <= (rows[asked["column"]] == 1).mean() <= asked["max"] else [asked["column"]]


def leakage(asked: dict[str, Any], rows: Any) -> list[str]:
    label = rows[asked["label"]]
    names = [name for name in rows.select_dtypes("number") if name not in (asked["label"], *asked["exceptColumns"])]
    areas = {name: roc_auc_score(label, rows[name].fillna(rows[name].min() - 1)) for name in names}
    return [name for name, area in areas.items() if max(area, 1 - area) > 0.98]


def overlap(asked: dict[str, Any], rows: Any) -> list[str]:
    both = pd.read_parquet(asked["holdout"]).merge(rows, on=asked["columns"])
    return [", ".join(asked["columns"])] if len(both) else []


FINDERS = {
    "schema": schema,
    "rowCount": row_count,
    "nulls": nulls,
    "range": in_range,
    "categories": categories,
    "unique": unique,
    "freshness": freshness,
    "labelRate": label_rate,
    "leakage": leakage,
    "overlap": overlap,
}

if __name__ == "__main__":
    for wrong in found(json.loads(Path(sys.argv[2]).read_text()), pd.read_parquet(sys.argv[1])):
        print(*wrong, sep="\t")
