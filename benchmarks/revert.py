"""How long a bad version stays: from its first 5xx that a client sees to its last answer and to its last 5xx.

Where the operator says when it saw the deciding answer, the way back is told from there as well: a client counts an
answer on the same clock, since it runs on the same node.

The version answers 500 to 30 % of its requests from the first one. It is tried again and again on a running cluster
(`make demo` first), under the same steady load over kept-alive connections, with the default analysis. With `--freeze`
each try is made twice: as ever, and while a policy denies every update of a Deployment in the namespace.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.spread import spread
from demo import stage
from demo.account import Account
from demo.kubectl import Kubectl, wait_for

POLICY = "viridian-benchmark-freeze"
FROZEN = "viridian.dev/benchmark-frozen"
"""Label of the namespace while the policy holds there."""


@dataclass(frozen=True)
class Way:
    """One way back: seconds as clients saw them, as the operator did, and failed requests."""

    clients: float
    operator: float
    failed: int
    evidence: float
    """From the first breaching sample to the deciding answer, as the operator saw them."""
    switch: float
    """From the deciding answer to the write."""
    last_failure: float
    """From the deciding answer to the last failed answer that a client saw."""
    last_answer: float
    """The same to the last answer of the version."""


def status(kubectl: Kubectl) -> dict[str, Any]:
    return (kubectl.get("modeldeployment", stage.MODEL) or {}).get("status") or {}


def rejected_at(kubectl: Kubectl, revision: str) -> str:
    return next((one["at"] for one in status(kubectl).get("rejected", ()) if one["revision"] == revision), "")


def tried_once(kubectl: Kubectl, account: Account, revision: str, number: int, *, frozen: bool = False) -> Way:
    """One trial of the bad revision."""
    before, failed = rejected_at(kubectl, revision), account.failed
    account.forget_failures(revision)
    asked = f"viridian.dev/retry={revision}#{int(time.time())}-{number}"
    kubectl("annotate", "modeldeployment", stage.MODEL, asked, "--overwrite")
    with freeze(kubectl, revision) if frozen else nullcontext():
        wait_for(lambda: rejected_at(kubectl, revision) not in ("", before), "the revert", timeout=120)
        answered = account.answered
        wait_for(lambda: account.answered > answered + 160, "steady load")
    wait_for(lambda: _emptied(kubectl, revision), "the slot to be emptied", timeout=120)
    return _way_of(account, revision, status(kubectl)["lastRollback"], account.failed - failed)


def _way_of(account: Account, revision: str, back: dict[str, Any], failed: int) -> Way:
    total = account.totals[revision]
    if total.first_failure is None or total.last_failure is None or total.last_answer is None:
        raise RuntimeError("no client met the bad version")
    breach, decided, switched = (_time(back[name]) for name in ("breachAt", "decidedAt", "revertedAt"))
    return Way(
        clients=total.last_answer - total.first_failure,
        operator=float(back["seconds"]),
        failed=failed,
        evidence=decided - breach,
        switch=switched - decided,
        last_failure=max(0.0, total.last_failure - decided),
        last_answer=total.last_answer - decided,
    )


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _emptied(kubectl: Kubectl, revision: str) -> bool:
    pods = kubectl.get("pods", "-l", f"viridian.dev/revision={revision}") or {}
    return not pods.get("items")


# ---- a change freeze


@contextmanager
def policy(kubectl: Kubectl) -> Iterator[None]:
    """A policy that denies updates of Deployments wherever a namespace carries the label."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    selector = {"matchLabels": {FROZEN: "true"}}
    specs: dict[str, dict[str, Any]] = {
        "ValidatingAdmissionPolicy": {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "change freeze"}],
        },
        "ValidatingAdmissionPolicyBinding": {"policyName": POLICY, "validationActions": ["Deny"]},
    }
    for kind, spec in specs.items():
        manifest = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": POLICY}}
        kubectl.apply(json.dumps({**manifest, "spec": spec}))
    try:
        with _labelled(kubectl):
            wait_for(lambda: _denied(kubectl), "the policy")
        yield
    finally:
        kubectl("delete", ",".join(kind.lower() for kind in specs), POLICY, "--ignore-not-found")


@contextmanager
def freeze(kubectl: Kubectl, revision: str) -> Iterator[None]:
    """The freeze begins once the challenger is deployed and before users meet it; an edit of the spec runs into it."""
    challenger = ("deployments", "-l", f"viridian.dev/revision={revision}")
    wait_for(lambda: (kubectl.get(*challenger) or {}).get("items"), "the challenger", every=0.05)
    with _labelled(kubectl), _edited(kubectl):
        wait_for(lambda: _denied(kubectl), "the freeze", every=0.05)
        if (status(kubectl).get("challenger") or {}).get("weight") or not status(kubectl).get("challenger"):
            raise RuntimeError("users met the challenger before the freeze began")
        yield


@contextmanager
def _labelled(kubectl: Kubectl) -> Iterator[None]:
    kubectl("label", "namespace", kubectl.namespace, f"{FROZEN}=true", "--overwrite")
    try:
        yield
    finally:
        kubectl("label", "namespace", kubectl.namespace, f"{FROZEN}-")


@contextmanager
def _edited(kubectl: Kubectl) -> Iterator[None]:
    """The spec asks for a change of both Deployments that is no new revision."""
    before = (kubectl.get("modeldeployment", stage.MODEL) or {})["spec"]["rollout"].get("progressDeadline")
    _patch_deadline(kubectl, "17m")
    try:
        yield
    finally:
        _patch_deadline(kubectl, before)


def _patch_deadline(kubectl: Kubectl, deadline: str | None) -> None:
    change = json.dumps({"spec": {"rollout": {"progressDeadline": deadline}}})
    kubectl("patch", "modeldeployment", stage.MODEL, "--type=merge", "--patch", change)


def _denied(kubectl: Kubectl) -> bool:
    champion = f"deployment/{stage.MODEL}-{status(kubectl)['champion']['slot']}"
    try:
        kubectl("annotate", champion, f"probe={time.time()}", "--overwrite", "--dry-run=server")
    except RuntimeError as error:
        return "change freeze" in str(error)
    return False


# ---- all of it


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revert", description=__doc__)
    parser.add_argument("-n", "--repetitions", type=int, default=10)
    parser.add_argument("--rate", type=int, default=80, help="requests a second (default: 80)")
    parser.add_argument("--freeze", action="store_true", help="also while updates of Deployments are denied")
    chosen = parser.parse_args()
    kubectl = stage.ready_cluster()
    if not status(kubectl).get("champion"):
        print("there is no champion to go back to: run `make demo` first", file=sys.stderr)
        return 1
    stage.start_load(kubectl, chosen.rate)
    version = stage.ship(kubectl, "raises")
    account = Account(kubectl, stage.MODEL)
    account.follow_load()
    found = wait_for(
        lambda: [one for one in status(kubectl).get("rejected", ()) if one.get("version") == version],
        "the first revert",
    )
    revision = str(found[0]["revision"])
    wait_for(lambda: _emptied(kubectl, revision), "the slot to be emptied")
    ways: dict[str, list[Way]] = {"as ever": [], **({"updates denied": []} if chosen.freeze else {})}
    with policy(kubectl) if chosen.freeze else nullcontext():
        for number in range(chosen.repetitions):
            for name, known in ways.items():
                way = tried_once(kubectl, account, revision, number, frozen=name != "as ever")
                known.append(way)
                print(f"  {number + 1:2d}  {name}: {way.clients:.2f} s for clients, {way.failed} failed", flush=True)
    account.stop()
    for name, known in ways.items():
        print(f"{name}:")
        print(f"  first 5xx to last answer, clients: {spread([way.clients for way in known], 's')}")
        print(f"  first breaching sample to no traffic: {spread([way.operator for way in known], 's')}")
        print(f"  first breaching sample to the deciding answer: {spread([way.evidence for way in known], 's')}")
        print(f"  deciding answer to the write: {spread([way.switch for way in known], 's')}")
        print(f"  deciding answer to the last failed one, clients: {spread([way.last_failure for way in known], 's')}")
        print(f"  deciding answer to the last of all, clients: {spread([way.last_answer for way in known], 's')}")
        print(f"  failed requests a revert: {spread([float(way.failed) for way in known], '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
