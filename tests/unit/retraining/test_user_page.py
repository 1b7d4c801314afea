"""The user's page names everything that a user can meet, as it is called in the code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.retraining.test_jobs import environment, made
from viridian.api import reasons
from viridian.api.gate_spec import GateRule
from viridian.api.metric_names import ERRORS
from viridian.api.stage import FINAL_EXIT_CODES
from viridian.judgement.gate_findings import GateOutcome

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "retraining.md").read_text()
STAGES = (DOCS / "stages.md").read_text()
GATE = (DOCS / "gate.md").read_text()
CONDITIONS = (reasons.READY, reasons.RECONCILING, reasons.STALLED, reasons.DATA_QUALITY, reasons.PAUSED_CONDITION)
OUTCOMES = (
    reasons.HANDED_OVER,
    reasons.REJECTED,
    reasons.FAILED,
    reasons.DATA_QUALITY_FAILED,
    reasons.SKIPPED,
    reasons.CANCELLED,
)
CONDITION_REASONS = (
    *(reasons.WAITING, reasons.RUN_ACTIVE, reasons.SUSPENDED, reasons.APPLY_REFUSED, reasons.INVALID_SPEC),
    *(reasons.MODEL_DEPLOYMENT_NOT_FOUND, reasons.NOTHING_TO_HAND_OVER_TO, reasons.INVALID_SCHEDULE),
    *(reasons.REGISTRY_NOT_CONFIGURED, reasons.REGISTRY_REFUSED, reasons.REGISTRY_UNAVAILABLE),
    *(reasons.NO_COLLECTOR, reasons.COLLECTOR_REFUSED, reasons.COLLECTOR_UNAVAILABLE),
    *(reasons.DATA_ACCEPTED, reasons.DATA_CHANGED, reasons.DATA_NOT_CHECKED, reasons.DATA_QUALITY_FAILED),
)
EVENTS = (
    *(reasons.EVENT_RUN_STARTED, reasons.EVENT_RUN_FAILED, reasons.EVENT_RUN_SKIPPED, reasons.EVENT_RUN_CANCELLED),
    *(reasons.EVENT_GATE_PASSED, reasons.EVENT_GATE_FAILED, reasons.EVENT_HANDED_OVER),
    reasons.EVENT_DATA_QUALITY_FAILED,
)


def test_every_word_of_the_status_is_explained() -> None:
    assert [word for word in (*CONDITIONS, *CONDITION_REASONS, *OUTCOMES, *EVENTS) if f"`{word}" not in PAGE] == []


def test_every_variable_of_the_container_is_explained_and_no_other() -> None:
    explained = set(re.findall(r"`((?:VIRIDIAN|MLFLOW)_[A-Z_]+)`", STAGES))
    assert explained == set(environment(made()))


def test_every_verdict_and_rule_of_the_gate_is_explained() -> None:
    assert [word for word in (*GateOutcome, *GateRule) if f"| `{word}` |" not in GATE] == []


def test_the_exit_codes_and_the_errors_are_those_of_the_code() -> None:
    assert f"{', '.join(map(str, FINAL_EXIT_CODES[:-1]))} and {FINAL_EXIT_CODES[-1]} are never retried" in STAGES
    assert all(f"`{ending}`" in GATE for ending in ERRORS)
