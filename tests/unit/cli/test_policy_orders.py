"""What commands about a RetrainPolicy write, and that the operator understands it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.manifests import retrain_policy
from viridian.cli import policy_orders
from viridian.people.person_orders import NothingToOrder, PersonOrder
from viridian.retraining.run_commands import RunCommand, command_about

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CANDIDATE = {"id": "9d290bcc", "outcome": "AwaitingApproval", "version": "7"}
PROPOSED = {"run": "1f0c", "reasons": ["inputs fired"]}


def policy(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {**retrain_policy("ml", **(spec or {"mode": "Recommend"})), "status": status}


def read(order: PersonOrder, run: str) -> RunCommand:
    """As the operator reads it."""
    ((annotation, value),) = order.patch["metadata"]["annotations"].items()
    found = command_about({annotation: value}, annotation, run)
    assert found is not None
    return found


def test_a_run_is_asked_for_by_a_value_that_was_never_there() -> None:
    order = policy_orders.train(policy(), "alice", NOW)
    assert order.patch == {"metadata": {"annotations": {"viridian.dev/run": "2026-11-28T12:00:00Z#alice"}}}
    busy = policy_orders.train(policy(activeRun={"id": "abc"}), "alice", NOW)
    assert busy.sentence == "a run of churn begins, once run abc has ended"


def test_a_recommended_run_is_accepted_and_one_that_needs_an_approval_is_approved() -> None:
    accepted = read(policy_orders.accept(policy(recommended=PROPOSED), "", "it drifts # a lot", "alice"), "1f0c")
    assert (accepted.annotation, accepted.reason, accepted.by) == ("viridian.dev/accept", "it drifts a lot", "alice")
    required = policy({"approval": {"training": "Required"}}, recommended=PROPOSED)
    assert read(policy_orders.accept(required, "", "", "alice"), "1f0c").annotation == "viridian.dev/approve"


def test_a_candidate_is_handed_over_by_another_text_than_its_run_began_with() -> None:
    order = policy_orders.accept(policy(runs=[CANDIDATE]), "", "", "alice")
    found = read(order, "9d290bcc")
    assert (found.annotation, found.reason, order.sentence) == (
        "viridian.dev/approve", "version 7", "version 7 is handed over",
    )  # fmt: skip


def test_a_dismissal_names_the_run() -> None:
    found = read(policy_orders.dismiss(policy(recommended=PROPOSED), "1f0c", "the sale is on", "alice"), "1f0c")
    assert (found.annotation, found.reason, found.by) == ("viridian.dev/reject", "the sale is on", "alice")


@pytest.mark.parametrize(
    ("found", "run", "message"),
    [
        (policy(), "", "no run of churn waits for a person"),
        (policy({"mode": "Observe"}, recommended=PROPOSED), "", "in mode Observe nothing begins but by `train`"),
        (policy(recommended=PROPOSED, runs=[CANDIDATE]), "", r"1f0c \(run 1f0c begins.*9d290bcc \(version 7"),
        (policy(recommended=PROPOSED), "other", "name one of the runs of churn"),
        (policy(runs=[{**CANDIDATE, "waitsUntil": "2026-12-01T00:00:00Z"}]), "", "no run of churn waits"),
    ],
)
def test_what_cannot_be_decided_now(found: dict[str, Any], run: str, message: str) -> None:
    with pytest.raises(NothingToOrder, match=message):
        policy_orders.accept(found, run, "", "alice")
