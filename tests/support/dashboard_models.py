"""Models and policies as the API server shows them, for the pages of the dashboard, and people with rights to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from viridian.api.feedback import AskedRow
from viridian.api.names import (
    API_VERSION,
    OUTCOME_ANNOTATION,
    RUN_LABEL,
    STAGES_ANNOTATION,
    TRAFFIC_ANNOTATION,
    Slot,
)
from viridian.api.resources import OWN, ApiResource
from viridian.http_problem import HttpProblem
from viridian.people.model_summary import ListedModel, ModelList
from viridian.ports.cluster import Object
from viridian.retraining import records
from viridian.rollout.traffic.record import Traffic, dump
from viridian.rollout.traffic.split_log import SplitRecord

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def condition(type_: str, status: str, reason: str, message: str = "", at: str = "2026-11-29T09:00:00Z") -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


READY = condition("Ready", "True", "Serving", "version 6 serves all users")


def model(name: str = "churn", namespace: str = "ml", **status: Any) -> Object:
    """A model that serves and has nothing to do, unless the status says otherwise."""
    champion = {"slot": "blue", "revision": "7f3c91d2", "version": "6", "since": "2026-11-26T08:30:00Z"}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": "7", "uid": f"uid-{name}"},
        "spec": {"model": {"registry": {"name": name, "alias": "candidate"}}, "rollout": {"steps": []}},
        "status": {"champion": champion, "conditions": [READY], **status},
    }


def on_trial(name: str = "churn", namespace: str = "ml", waiting: str = "Approval") -> Object:
    """A model in the middle of a rollout, with a life behind it."""
    metrics = [
        {"name": "error-rate", "verdict": "Pass", "value": 0.004, "champion": 0.0038, "samples": 1840, "evidence": 0.3},
        {
            "name": "latency-p95",
            "verdict": "Pass",
            "value": 0.213,
            "champion": 0.198,
            "samples": 1840,
            "evidence": 6.4,
            "noWorse": 3.1,
            "message": "95 of 1840 answers took longer than 0.25 s",
        },
        {"name": "conversion", "verdict": "NoData", "samples": 0, "message": "the query gave no value"},
    ]
    challenger = {
        "slot": "green",
        "revision": "9a1b02ee",
        "version": "7",
        "since": "2026-11-29T11:05:00Z",
        "step": {"name": "sign-off", "index": 1, "startedAt": "2026-11-29T11:40:00Z"},
        "weight": 10,
        "waitingFor": "an approval by ml-leads of revision 9a1b02ee",
        "waitingReason": waiting,
        "exposedRequests": 1840,
        "metrics": metrics,
    }
    history = [
        {"revision": "7f3c91d2", "version": "6", "outcome": "Promoted", "at": "2026-11-26T08:30:00Z"},
        {"revision": "55aa0c1d", "version": "5", "outcome": "Rejected", "at": "2026-11-24T16:12:00Z"},
        {
            "revision": "10beef77",
            "version": "4",
            "outcome": "Approved",
            "at": "2026-11-21T09:55:00Z",
            "by": "viridian.dev/approve#ada",
        },
        {"revision": "10beef77", "version": "4", "outcome": "Promoted", "at": "2026-11-21T10:00:00Z"},
    ]
    figures = [
        {"measure": "PSI", "verdict": "Fired", "feature": "age", "value": 0.41, "bound": 0.02, "threshold": 0.2},
        {
            "measure": "PSI",
            "verdict": "Fired",
            "feature": "tenure_months",
            "value": 0.23,
            "bound": 0.02,
            "threshold": 0.2,
        },
        {"measure": "PSI", "verdict": "Quiet", "feature": "region", "value": 0.06, "bound": 0.02, "threshold": 0.2},
    ]
    monitoring = {
        "revision": "7f3c91d2",
        "start": "2026-11-29T10:00:00Z",
        "end": "2026-11-29T11:00:00Z",
        "predictions": {
            "groups": "Numbers",
            "reference": [0.1, 0.1, 0.101, 0.099, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
            "window": [0.09, 0.095, 0.1, 0.1, 0.105, 0.1, 0.1, 0.1, 0.104, 0.106],
        },
        "distributions": [
            {
                "feature": "age",
                "groups": "Numbers",
                "reference": [0.101, 0.1, 0.099, 0.1, 0.102, 0.1, 0.098, 0.1, 0.1, 0.1],
                "window": [0.21, 0.19, 0.16, 0.12, 0.1, 0.08, 0.06, 0.04, 0.02, 0.02],
            },
            {
                "feature": "tenure_months",
                "groups": "Numbers",
                "reference": [0.11, 0.12, 0.1, 0.1, 0.13, 0.11, 0.11, 0.11, 0.11],
                "window": [0.19, 0.17, 0.12, 0.11, 0.1, 0.09, 0.08, 0.07, 0.07],
                "referenceMissing": 0.01,
                "windowMissing": 0.06,
            },
            {
                "feature": "region",
                "groups": "Categories",
                "reference": [0.42, 0.31, 0.17, 0.1],
                "window": [0.4, 0.33, 0.16, 0.11],
            },
        ],
        "monitors": [
            {
                "name": "inputs",
                "verdict": "Fired",
                "message": "age has moved away from the reference: PSI 0.41, threshold 0.2",
                "figures": [{**one, "samples": 5210} for one in figures],
                "firing": {"windows": 3, "last": "2026-11-29T11:00:00Z"},
            },
            {
                "name": "predictions",
                "verdict": "Quiet",
                "figures": [{"measure": "PSI", "verdict": "Quiet", "value": 0.03, "threshold": 0.2, "samples": 5210}],
            },
            {"name": "accuracy", "verdict": "InsufficientData", "message": "12 of 300 labels have arrived"},
        ],
    }
    incidents = [
        {"id": "i2", "monitor": "inputs", "began": "2026-11-29T09:00:00Z", "message": "PSI of age 0.41"},
        {
            "id": "i1",
            "monitor": "errors",
            "began": "2026-11-23T06:00:00Z",
            "recovered": "2026-11-24T18:00:00Z",
            "seconds": 129600,
            "message": "auc 0.74, at least 0.8",
            "note": {"text": "a price list was missing", "by": "ada"},
        },
    ]
    found = model(
        name,
        namespace,
        challenger=challenger,
        history=history,
        rejected=[{"revision": "55aa0c1d", "version": "5", "reason": "MetricBreach", "at": "2026-11-24T16:12:00Z"}],
        incidents=incidents,
        monitoring=monitoring,
        revisions=[{"number": 4, "at": "2026-11-25T14:20:00Z", "by": "argocd", "changed": ["rollout.steps: 2 → 3"]}],
        drill={"revision": "10beef77", "outcome": "Passed", "endedAt": "2026-11-27T04:00:20Z"},
        conditions=[
            condition("Ready", "True", "Serving", "version 6 serves; version 7 is on trial"),
            condition("Reconciling", "True", "RollingOut"),
            condition("RollbackReady", "True", "ChampionIsFallback"),
            condition("DataDrift", "True", "FeatureShift", "age has moved away from the reference: PSI 0.41"),
            condition(
                "ReviewDue",
                "True",
                "ReviewOverdue",
                "a review is due every 90d, and was due on 2026-11-18: look at thresholds, objective and context, then "
                "kubectl -n ml annotate --overwrite md churn 'viridian.dev/review=<date> fits: <what was looked "
                "at>#<your user name>', with changed instead of fits where something was changed",
            ),
            condition("RollbackUntested", "True", "DrillOverdue", "the drill of 2026-11-28 04:00 has not passed"),
        ],
    )
    bounds = [
        {"name": "error-rate", "max": 0.01},
        {"name": "latency-p95", "max": 0.25, "worseThanChampionBy": {"relative": 0.1}},
        {"name": "conversion", "min": 0.05},
    ]
    found["metadata"]["annotations"] = {
        "viridian.dev/review": "2026-08-20 fits: thresholds and context looked at#ada@example.com"
    }
    found["spec"]["context"] = {"dataVolatility": "Medium"}
    found["spec"]["rollout"] = {
        "steps": [
            {"name": "few", "weight": 10, "duration": "10m", "minRequests": 500},
            {"name": "sign-off", "approval": {"approvers": ["ml-leads"]}},
            {"name": "half", "weight": 50, "duration": "10m"},
        ],
        "analysis": {"metrics": bounds},
        "probation": "10m",
    }
    return found


def experimenting(name: str = "offers", namespace: str = "ml", **found: Any) -> Object:
    """A model whose challenger is compared with the champion by outcomes."""
    experiment = {
        "step": "ab",
        "revision": "9a1b02ee",
        "champion": "7f3c91d2",
        "measure": "outcome",
        "startedAt": "2026-11-28T10:00:00Z",
        "weight": 64,
        "effect": 0.0092,
        "intervalLow": -0.0031,
        "intervalHigh": 0.0215,
        "challengerSamples": 21840,
        "championSamples": 14793,
        "message": "outcome is better by 0.0092 (interval of the effect: -0.0031 to 0.0215), over 21840 rows of the "
        "challenger and 14793 of the champion",
        **found,
    }
    challenger = {
        "slot": "green",
        "revision": "9a1b02ee",
        "version": "7",
        "since": "2026-11-28T09:40:00Z",
        "step": {"name": "ab", "index": 1, "startedAt": "2026-11-28T10:00:00Z"},
        "weight": 64,
        "waitingFor": "a verdict of the experiment ab",
        "waitingReason": "Experiment",
        "exposedRequests": 48211,
    }
    shown = model(name, namespace, challenger=challenger, experiment=experiment)
    shown["spec"]["rollout"]["steps"] = [
        {"name": "few", "weight": 5, "duration": "10m"},
        {"name": "ab", "experiment": {"outcome": "Higher", "smallestEffect": 0.01, "allocation": "Thompson"}},
    ]
    return shown


def live_service(name: str = "offers", namespace: str = "ml") -> Object:
    """The Service of the same model, whose record has the log of the shares."""
    shares = [("28T09:45", 5), ("28T10:00", 50), ("28T14:00", 41), ("28T20:00", 58), ("29T06:00", 64)]
    splits = tuple(
        SplitRecord("7f3c91d2", "9a1b02ee", share, datetime.fromisoformat(f"2026-11-{at}:00+00:00"))
        for at, share in shares
    )
    traffic = Traffic(Slot.BLUE, "7f3c91d2", splits=splits)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name, "annotations": {TRAFFIC_ANNOTATION: dump(traffic)}},
    }


def policy(name: str = "churn-weekly", namespace: str = "ml", of: str = "churn") -> Object:
    """A policy with two runs behind it and one at work."""
    run = {
        "id": "9d290bcc",
        "outcome": "HandedOver",
        "reasons": ["drifted: inputs fired in 3 windows"],
        "version": "7",
        "message": "auc is better than the champion's beyond the noise",
        "metrics": {"auc": 0.861, "brier": 0.081},
        "startedAt": "2026-11-29T09:10:00Z",
        "finishedAt": "2026-11-29T11:02:00Z",
    }
    lost = {
        "id": "4c11a0de",
        "outcome": "Rejected",
        "reasons": ["weekly"],
        "message": "auc on region=north is worse by 0.03",
        "startedAt": "2026-11-24T03:00:00Z",
        "finishedAt": "2026-11-24T05:30:00Z",
    }
    status = {
        "runs": [run, lost],
        "lastRun": run,
        "stages": [
            {"name": "dataValidation", "state": "Cached"},
            {"name": "training", "state": "Running", "startedAt": "2026-11-29T11:50:00Z"},
            {"name": "evaluation", "state": "Pending"},
        ],
        "activeRun": {"id": "77aa00bb", "stage": "training", "startedAt": "2026-11-29T11:50:00Z"},
        "triggers": [
            {"name": "weekly", "lastFired": "2026-11-24T03:00:00Z", "next": "2026-11-30T03:00:00Z"},
            {
                "name": "drifted",
                "lastFired": "2026-11-29T09:10:00Z",
                "suppressed": {"count": 2, "reason": "Cooldown", "message": "until 15:00"},
            },
        ],
        "budget": {"runs": 2, "runsLeft": 8, "cpuHours": 3.4, "cost": 1.36, "resetsAt": "2026-12-24T03:00:00Z"},
        "conditions": [condition("Ready", "True", "Running")],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "RetrainPolicy",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": "3", "uid": f"uid-{name}"},
        "spec": {"modelDeployment": of, "stages": {"training": {}}},
        "status": status,
    }


def run_record(policy_: Object, run: str = "9d290bcc") -> Object:
    """The ControllerRevision of a run whose evaluation reported intervals."""
    evaluation = {
        "holdout": {"digest": "sha256:aa", "rows": 4000},
        "confidence": 0.975,
        "metrics": {
            "auc": {"candidate": 0.861, "champion": 0.847, "low": 0.006, "high": 0.022},
            "brier": {"candidate": 0.081, "champion": 0.082, "low": -0.004, "high": 0.002},
        },
        "slices": [
            {
                "column": "region",
                "value": "north",
                "metric": "auc",
                "rows": 410,
                "candidate": 0.81,
                "champion": 0.84,
                "low": -0.055,
                "high": -0.005,
            }
        ],
        "slicesTested": 12,
    }
    ended = {"state": "Complete", "at": "2026-11-29T11:00:00Z", "said": json.dumps({"evaluation": evaluation})}
    metadata = policy_["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "namespace": metadata["namespace"],
            "name": f"{metadata['name']}-{run}",
            "labels": records.labels(metadata["name"], **{RUN_LABEL: run}),
            "annotations": {
                STAGES_ANNOTATION: json.dumps({"evaluation": {"ending": ended}}),
                OUTCOME_ANNOTATION: json.dumps({"id": run, "outcome": "HandedOver"}),
            },
        },
        "revision": 1,
        "data": {"policy": {"uid": metadata["uid"]}},
    }


def listed(manifests: Sequence[Object]) -> Sequence[ListedModel]:
    """As the API server's answer to a list is read."""
    return msgspec.json.decode(msgspec.json.encode({"items": manifests}), type=ModelList).items or ()


@dataclass
class MemoryPersonCluster:
    """What each token may see: by namespace, or `*` for all. Satisfies PersonCluster."""

    people: Mapping[str, tuple[str, frozenset[str]]]
    """Name and namespaces by token."""
    stored: Sequence[Object] = ()
    patched: list[Mapping[str, Any]] = field(default_factory=list)
    lists: int = 0

    async def user(self, token: str) -> str:
        return self._person(token)[0]

    async def objects(self, token: str, resource: ApiResource, namespace: str, labels: str = "") -> list[Object]:
        self.lists += 1
        self._allow(token, namespace or "*")
        wanted = dict(pair.split("=", 1) for pair in labels.split(",") if "=" in pair)
        return [
            one
            for one in self.stored
            if one["kind"] == resource.kind
            and namespace in ("", one["metadata"]["namespace"])
            and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]

    async def models(self, token: str, namespace: str, labels: str = "") -> Sequence[ListedModel]:
        return listed(await self.objects(token, OWN[0], namespace, labels))

    async def get(self, token: str, resource: ApiResource, namespace: str, name: str) -> Object:
        self._allow(token, namespace)
        for one in self.stored:
            metadata = one["metadata"]
            if (one["kind"], metadata["namespace"], metadata["name"]) == (resource.kind, namespace, name):
                return one
        raise HttpProblem(404, f'{resource.plural} "{name}" not found')

    async def patch(self, token: str, resource: ApiResource, seen: Object, patch: Mapping[str, Any]) -> None:
        self._allow(token, seen["metadata"]["namespace"])
        self.patched.append(patch)

    async def account_token(self, token: str, namespace: str, account: str, audience: str) -> str:
        """The token names its account and its audience."""
        self._allow(token, namespace)
        return f"{namespace}:{account}:{audience}"

    def _person(self, token: str) -> tuple[str, frozenset[str]]:
        if token not in self.people:
            raise HttpProblem(401, "the API server does not know this token")
        return self.people[token]

    def _allow(self, token: str, namespace: str) -> None:
        user, allowed = self._person(token)
        if namespace not in allowed and "*" not in allowed:
            raise HttpProblem(403, f'forbidden: User "{user}" cannot do that in "{namespace}"')


ASKED = AskedRow(
    prediction_id="0192f0c1-7a5e-7c31-9d52-3f5a2b1c4d5e",
    features={"age": 43.0, "plan": "basic", "region": None, "tenure_months": 7, "is_new": False},
    classes=("stays", "leaves"),
)
"""A row of the review queue."""


@dataclass
class MemoryLabelQueue:
    """Rows in their order, and what was answered. Satisfies LabelQueue."""

    rows: Sequence[AskedRow] = (ASKED,)
    account: str = "labeller"
    """The one that may label."""
    answers: dict[str, str | float] = field(default_factory=dict)

    async def next(self, token: str, namespace: str, model: str, skipped: Collection[str]) -> AskedRow | None:
        self._allow(token, namespace)
        open_ = (row for row in self.rows if row.prediction_id not in self.answers)
        return next((row for row in open_ if row.prediction_id not in skipped), None)

    async def answer(self, token: str, namespace: str, prediction_id: str, outcome: str | float) -> None:
        self._allow(token, namespace)
        self.answers[prediction_id] = outcome

    def _allow(self, token: str, namespace: str) -> None:
        if token != f"{namespace}:{self.account}:viridian-collector":
            raise HttpProblem(403, "it needs the verb list on modeldeployments/feedback")
