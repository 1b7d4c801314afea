"""Which events of the registry only report what the operator has done itself: no news for the policy that caused it.

A run makes a version and moves the alias that its ModelDeployment follows; the rollout moves `champion` and `previous`.
MLflow reports all of that to each webhook. A policy that trained for its own version would train for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from viridian.api.model_source import RegistryModel
from viridian.api.registry import ALIAS_CHAMPION, ALIAS_PREVIOUS
from viridian.core.lookup import text
from viridian.retraining.runs import Run
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.event import EVENT

VERSION_CREATED: Final = "mlflow.model_version.created"
ALIAS_SET: Final = "mlflow.model_version_alias.created"
_OF_THE_ROLLOUT: Final = (ALIAS_CHAMPION, ALIAS_PREVIOUS)


def is_own_effect(cause: Cause, runs: Iterable[Run], followed: RegistryModel | None) -> bool:
    """Whether the event reports what these runs of the policy, or the rollouts of its model, have done.

    `followed`: what the ModelDeployment of the policy asks the registry for. What the sender does not say in MLflow's
    own words, such as a CloudEvent of another system, is believed to be news.
    """
    return is_of_the_rollout(cause, followed) or any(is_effect_of(run, cause, followed) for run in runs)


def is_of_the_rollout(cause: Cause, followed: RegistryModel | None) -> bool:
    """Whether it reports an alias that follows the traffic of the policy's own model."""
    moved = _type(cause) == ALIAS_SET and followed is not None and _attribute(cause, "subject") == followed.name
    return moved and _attribute(cause, "alias") in _OF_THE_ROLLOUT


def is_effect_of(run: Run, cause: Cause, followed: RegistryModel | None) -> bool:
    """Whether it reports a version that was registered from the run, or the hand-over of the version that it made."""
    if _type(cause) == VERSION_CREATED:
        return bool(run.mlflow_run) and _attribute(cause, "run") == run.mlflow_run
    if _type(cause) != ALIAS_SET or followed is None or run.finished is None or not run.finished.version:
        return False
    moved = (_attribute(cause, "subject"), _attribute(cause, "alias"), _attribute(cause, "version"))
    return moved == (followed.name, followed.alias, run.finished.version)


def _type(cause: Cause) -> str:
    return _attribute(cause, "type") if cause.source == EVENT else ""


def _attribute(cause: Cause, name: str) -> str:
    return text(cause.evidence, name)
