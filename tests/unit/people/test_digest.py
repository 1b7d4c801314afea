"""The digest and the blueprint of fixtures are stored texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.manifests import model_deployment, retrain_policy
from viridian.cli.portfolio_commands import digest_page
from viridian.cli.report_pages import markdown
from viridian.people.blueprint import blueprint
from viridian.people.digest import digest

SINCE = datetime(2026, 11, 27, 12, tzinfo=UTC)
READY = {"type": "Ready", "status": "True", "reason": "AwaitingApproval", "lastTransitionTime": "2026-11-28T12:00:00Z"}


def churn() -> dict[str, Any]:
    found = model_deployment("ml", governance={"ticketRef": "ML-42", "riskTier": "High"}, review={"every": "90d"})
    found["metadata"] |= {
        "generation": 7,
        "labels": {"team": "credit"},
        "annotations": {"viridian.dev/review": "2026-11-01 fits: thresholds are kept#alice"},
    }
    found["spec"]["monitoring"] = {"monitors": [{"name": "inputs", "drift": {"threshold": 0.2}}]}
    found["status"] = {
        "champion": {"slot": "blue", "revision": "aaa", "version": "1"},
        "challenger": {
            "slot": "green", "revision": "bbb", "version": "2", "weight": 10,
            "waitingFor": "annotation viridian.dev/approve=bbb", "waitingReason": "Approval",
        },
        "history": [
            {"revision": "aaa", "version": "1", "outcome": "Promoted", "at": "2026-11-28T09:00:00Z"},
            {"revision": "old", "version": "0", "outcome": "Promoted", "at": "2026-10-01T09:00:00Z"},
        ],
        "revisions": [
            {"number": 7, "at": "2026-11-28T08:00:00Z", "by": "kubectl", "changed": ["spec.server.replicas: 2 → 3"]}
        ],
        "incidents": [
            {"id": "i1", "monitor": "inputs", "began": "2026-11-28T10:00:00Z", "message": "PSI 0.4 above 0.2"},
            {"id": "i0", "monitor": "inputs", "began": "2026-11-20T10:00:00Z", "recovered": "2026-11-27T13:00:00Z"},
        ],
        "conditions": [READY],
    }  # fmt: skip
    return found


def policy() -> dict[str, Any]:
    found = retrain_policy("ml", mode="Recommend", gate={"metrics": [{"name": "auc", "min": 0.8}]})
    found["metadata"]["generation"] = 3
    found["status"] = {
        "recommended": {"run": "1f0c", "reasons": ["inputs fired"]},
        "runs": [
            {
                "id": "9d29", "outcome": "HandedOver", "version": "2", "reasons": ["weekly"],
                "finishedAt": "2026-11-28T07:00:00Z",
            }
        ],
    }  # fmt: skip
    return found


DIGEST = """\
# Since 2026-11-27T12:00:00Z

## ml

- 2026-11-27T13:00:00Z ml/churn: incident i0 of monitor inputs is over
- 2026-11-28T07:00:00Z ml/churn: run 9d29 HandedOver, version 2 (weekly)
- 2026-11-28T08:00:00Z ml/churn: edit 7 by kubectl: spec.server.replicas: 2 → 3
- 2026-11-28T09:00:00Z ml/churn: version 1 Promoted, by Viridian
- 2026-11-28T10:00:00Z ml/churn: incident i1 of monitor inputs begins: PSI 0.4 above 0.2

Open:

- ml/churn waits for a person, so that run 1f0c begins: inputs fired: `kubectl viridian accept churn 1f0c -n ml`
- ml/churn waits for annotation viridian.dev/approve=bbb: `kubectl viridian approve churn -n ml` or \
`kubectl viridian reject churn -n ml`
- ml/churn: incident i1 of monitor inputs"""


def test_the_digest_of_a_namespace() -> None:
    calm = model_deployment("calm")
    calm["status"] = {"conditions": [{**READY, "reason": "Serving"}]}
    assert digest_page(digest([churn(), calm], [policy()], SINCE, by_ticket=False), SINCE) == DIGEST


def test_a_section_for_each_ticket_and_nothing_is_said_to_be_nothing() -> None:
    found = digest([churn()], [policy()], SINCE, by_ticket=True)
    assert [section.title for section in found] == ["ML-42", "without a ticket"]
    assert "Nothing has changed" in digest_page([], SINCE)


def test_the_blueprint_shows_what_stands_in_the_objects() -> None:
    page = markdown("Blueprint of ml/churn", blueprint(churn(), [policy()]))
    for line in (
        "| revision of the spec | 7 |",
        "| written | 2026-11-28T08:00:00Z by kubectl |",
        "| risk tier | High |",
        "| ticket | ML-42 |",
        "| last review | 2026-11-01 fits: thresholds are kept#alice |",
        "| label team | credit |",
        "| step 1 | weight 10, duration 5m, minRequests 0 |",
        "## Retraining by churn",
        "| revision of the spec | 3 |",
        "| mode | Recommend |",
        "| stages | training |",
        "| trigger weekly | ",
    ):
        assert line in page, page


@pytest.mark.parametrize("bound", [0.01, 0.02])
def test_another_threshold_is_another_page_with_its_revision(bound: float) -> None:
    edited = churn()
    edited["spec"]["rollout"]["analysis"]["metrics"][0]["max"] = bound
    edited["metadata"]["generation"] = round(bound * 100)
    page = markdown("Blueprint", blueprint(edited, []))
    assert f"max {bound}" in page
    assert f"| revision of the spec | {round(bound * 100)} |" in page
