"""Of which deployments and namespaces something is known: those that were announced, and those of which rows are kept.

For any other name, each endpoint answers 404 with the name. Rights come first: a caller who may not ask about it gets
403, whether it is known or not.
"""

from __future__ import annotations

from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.problems import Unknown
from viridian.feedback.storage.catalog import is_kept


async def require_known(collector: CollectorApp, namespace: str, deployment: str) -> None:
    """Nothing, or 404 for a deployment that was neither announced nor has rows here."""
    if not collector.privacy.knows(namespace, deployment) and not await collector.readers.ask(
        namespace, is_kept, collector.engine, namespace, deployment
    ):
        raise unknown(namespace, deployment)


async def require_known_namespace(collector: CollectorApp, namespace: str) -> None:
    """Nothing, or 404 for a namespace of which no deployment was announced and no rows are kept."""
    if not collector.privacy.knows_namespace(namespace) and not await collector.readers.ask(
        namespace, is_kept, collector.engine, namespace
    ):
        raise unknown(namespace)


def unknown(namespace: str, deployment: str = "") -> Unknown:
    """The problem that has the name."""
    return Unknown(f"ModelDeployment {namespace}/{deployment}" if deployment else f"namespace {namespace}")
