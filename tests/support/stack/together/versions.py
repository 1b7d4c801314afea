"""What stands together, in which version."""

from __future__ import annotations

from typing import Final

from localcluster.paths import REPOSITORY

LOCKS: Final = {
    "Airflow": ("examples/stack/airflow/lock.txt", "apache-airflow"),
    "DVC": ("examples/stack/dvc/lock.txt", "dvc"),
    "Evidently": ("examples/stack/evidently/lock.txt", "evidently"),
    "Feast": ("examples/stack/feast/lock.txt", "feast"),
    "MLflow": ("locks/mlflow.txt", "mlflow"),
}


def versions() -> dict[str, str]:
    """By the locks from which the images are built."""
    return {name: pinned(lock, package) for name, (lock, package) in LOCKS.items()}


def pinned(lock: str, package: str) -> str:
    """The version of a package in a lock; StopIteration where it is not there."""
    lines = (REPOSITORY / lock).read_text().splitlines()
    return next(line.split()[0].partition("==")[2] for line in lines if line.startswith(f"{package}=="))
