"""Ninety days in the life of the model `churn`, small enough to be checked by hand.

Day 0 is 2026-01-01. Each day has 1,000 requests, each with an outcome. The feature `age` has two bins that the training
data fill evenly, so its distance (KS) is the share that has moved from one bin to the other.

| days  | version | distance              | accuracy                                          |
|-------|---------|-----------------------|---------------------------------------------------|
| 0-29  | 1       | 0                     | 0.90                                              |
| 30-39 | 1       | 0.10, 0.15, then 0.30 | 0.85: the incident `campaign`                     |
| 40-44 | 1       | 0                     | 0.90                                              |
| 45-89 | 2       | 0; 0.25 on day 60     | 0.95 on day 45, and 0.001 less on each day after  |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from viridian.api.feedback import Window
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.performance import Classified, Performance
from viridian.api.profile import Categories, Numbers, Profile, ReferenceProfile, Sketch, Task
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.backtest.history import ANY_VERSION, History, Incident

DAY: Final = 86_400.0
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 90
PROMOTION_DAY: Final = 45
FALSE_ALARM_DAY: Final = 60
CLASSES: Final = ("stays", "leaves")
LAG: Final = 90.0
"""Seconds between the end of a daily window and its verdict: a minute of profiles and half a minute to settle."""

CAMPAIGN: Final = Incident(
    name="campaign", start=BEGIN + timedelta(days=30), end=BEGIN + timedelta(days=40), cause="a campaign for students"
)
MONITORS: Final[list[dict[str, Any]]] = [
    {"name": "inputs", "drift": {"statistic": "KS", "threshold": 0.2, "decision": "Point"}},
    {
        "name": "accuracy",
        "performance": {"metric": "accuracy", "min": 0.88, "consecutive": 2, "labelMaturity": "2d"},
    },
]
# What the monitors find, by hand:
# `inputs` fires in the windows of days 32 to 39 and of day 60, which is a false alarm.
# `accuracy` fires once two mature windows in a row are below 0.88: for those of days 31 to 39, two days later.


def at(day: float) -> float:
    """Seconds since 1970 at the begin of a day."""
    return BEGIN.timestamp() + day * DAY


def distance(day: int) -> float:
    """Of the feature `age` from the training data."""
    if 30 <= day < 40:
        return {30: 0.10, 31: 0.15}.get(day, 0.30)
    return 0.25 if day == FALSE_ALARM_DAY else 0.0


def right_answers(day: int) -> int:
    """Of 1,000."""
    if day >= PROMOTION_DAY:
        return 950 - (day - PROMOTION_DAY)
    return 850 if 30 <= day < 40 else 900


def stored_windows() -> tuple[Window, ...]:
    """As the collector exports them."""
    return tuple(_window(day) for day in range(DAYS))


def history(*incidents: Incident) -> History:
    """All of it, with the incident unless others are named."""
    return History(windows=stored_windows(), references={ANY_VERSION: REFERENCE}, incidents=incidents or (CAMPAIGN,))


def deployment(*monitors: dict[str, Any], **monitoring: Any) -> ModelDeploymentSpec:
    """A ModelDeployment with these monitors, else with MONITORS, on daily windows."""
    spec = {
        "model": {"registry": {"name": "churn", "alias": "candidate"}},
        "feedback": {},
        "monitoring": {"window": "1d", "monitors": list(monitors) or MONITORS, **monitoring},
    }
    return msgspec.convert(spec, ModelDeploymentSpec)


def policy(*triggers: dict[str, Any], **more: Any) -> RetrainPolicySpec:
    """A RetrainPolicy with these triggers."""
    template = {"spec": {"containers": [{"name": "train", "image": "churn-train:1"}]}}
    spec = {
        "modelDeployment": "churn",
        "stages": {"training": {"template": template}},
        "triggers": list(triggers),
        **more,
    }
    return msgspec.convert(spec, RetrainPolicySpec)


def _window(day: int) -> Window:
    newer = day >= PROMOTION_DAY
    moved = round(1000 * distance(day))
    right = right_answers(day)
    return Window(
        revision="r2" if newer else "r1",
        version="2" if newer else "1",
        start=at(day),
        end=at(day + 1),
        profile=_profile(500 - moved, 500 + moved),
        performance=Performance(
            predicted=1000,
            labelled=1000,
            joined=Classified(
                classes=CLASSES,
                confusion=((500, 0), (1000 - right, right - 500)),
            ),
        ),
    )


def _profile(young: int, old: int) -> Profile:
    rows = young + old
    age: Sketch = Numbers(edges=(40.0,), counts=(young, old), mean=40.0, m2=100.0 * rows, finite=rows)
    return Profile(
        features={"age": age}, prediction=Categories(names=CLASSES, counts=(rows // 2, rows - rows // 2)),
        rows=rows, sampled=rows,
    )  # fmt: skip


REFERENCE: Final = ReferenceProfile(
    task=Task.BINARY,
    classes=CLASSES,
    profile=_profile(500, 500),
    label=Categories(names=CLASSES, counts=(500, 500)),
    metrics={"accuracy": 0.9},
    holdout_rows=1000,
)


def write(folder: Path, deployment: Mapping[str, Any], policy: Mapping[str, Any]) -> Path:
    """The files that commands about the past are given: both objects, windows, reference profile and incidents."""
    (folder / "churn.yaml").write_text(yaml.safe_dump_all([deployment, policy]))
    (folder / "windows.json").write_bytes(msgspec.json.encode(stored_windows()))
    (folder / "profile.json").write_bytes(msgspec.json.encode(REFERENCE))
    (folder / "incidents.yaml").write_text(yaml.safe_dump([msgspec.to_builtins(CAMPAIGN)]))
    return folder


def review(files: Path, *more: str) -> list[str]:
    """The command line of a review of these files."""
    known = ["--windows", f"{files}/windows.json", "--profile", f"{files}/profile.json", "--metric", "accuracy"]
    now = ["--now", "2026-04-01T00:00:00Z", "--incidents", f"{files}/incidents.yaml"]
    return ["review", "-f", f"{files}/churn.yaml", *known, *now, *more]
