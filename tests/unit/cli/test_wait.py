"""When a pipeline that waits for a rollout goes on, and when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.test_model_commands import CHALLENGER, READY, model, true
from viridian.people.rollout_end import RolloutEnd, rollout_end

GENERATION = 4
REJECTED = {**READY, "reason": "RevisionRejected", "message": "version 1 serves; version 2 was rejected"}
STALLED = {**true("Stalled"), "reason": "RevisionRejected", "message": "version 2 was rejected"}
FAILED = RolloutEnd(serves=False, sentence="RevisionRejected: version 2 was rejected")
SERVED = RolloutEnd(serves=True, sentence="Serving: ")


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ({}, SERVED),
        ({"observed": GENERATION - 1}, None),
        ({"observed": None}, None),
        ({"observed": GENERATION - 1, "conditions": [READY, STALLED]}, None),
        ({"conditions": []}, None),
        ({"conditions": [{**READY, "status": "False"}]}, None),
        ({"conditions": [READY, true("Reconciling")], "challenger": CHALLENGER}, None),
        ({"conditions": [READY, STALLED]}, FAILED),
        ({"conditions": [READY, {**STALLED, "status": "False"}]}, SERVED),
        ({"conditions": [{**READY, "status": "False"}, STALLED]}, FAILED),
        ({"conditions": [REJECTED]}, RolloutEnd(serves=False, sentence=f"RevisionRejected: {REJECTED['message']}")),
        ({"conditions": [REJECTED, true("Reconciling")]}, None),
        ({"conditions": [{**READY, "reason": "Probation"}]}, None),
        ({"conditions": [READY, true("DataDrift")]}, SERVED),
    ],
    ids=[
        "serves",
        "an older spec",
        "never seen",
        "what an older spec came to",
        "no condition yet",
        "not ready",
        "on trial",
        "pinned and rejected",
        "stalled no more",
        "stalled, and nobody is served",
        "a candidate of an alias was rejected",
        "the alias has moved on since",
        "on probation",
        "drift is no rollout",
    ],
)  # fmt: skip
def test_how_a_rollout_has_ended(status: dict[str, Any], end: RolloutEnd | None) -> None:
    seen = {"observedGeneration": status.pop("observed", GENERATION)}
    assert rollout_end(model(**seen, **status), GENERATION) == end
