"""How long a bad version stays: from its first 5xx that a client sees to its last answer that a client sees.

The version answers 500 to 30 % of its requests from the first one. It is tried again and again on a running cluster
(`make demo` first), under the same steady load over kept-alive connections, with the default analysis.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from benchmarks.spread import spread
from demo import stage
from demo.account import Account
from demo.kubectl import Kubectl, wait_for


def status(kubectl: Kubectl) -> dict[str, Any]:
    return (kubectl.get("modeldeployment", stage.MODEL) or {}).get("status") or {}


def rejected_at(kubectl: Kubectl, revision: str) -> str:
    return next((one["at"] for one in status(kubectl).get("rejected", ()) if one["revision"] == revision), "")


def tried_once(kubectl: Kubectl, account: Account, revision: str, number: int) -> tuple[float, float, int]:
    """One trial of the bad revision: seconds as clients saw them, as the operator did, and failed requests."""
    before, failed = rejected_at(kubectl, revision), account.failed
    account.forget_failures(revision)
    asked = f"viridian.dev/retry={revision}#{int(time.time())}-{number}"
    kubectl("annotate", "modeldeployment", stage.MODEL, asked, "--overwrite")
    wait_for(lambda: rejected_at(kubectl, revision) not in ("", before), "the revert", timeout=120)
    wait_for(lambda: _emptied(kubectl, revision), "the slot to be emptied", timeout=120)
    answered = account.answered
    wait_for(lambda: account.answered > answered + 160, "steady load")
    total = account.totals[revision]
    if total.first_failure is None or total.last_answer is None:
        raise RuntimeError("no client met the bad version")
    seconds = total.last_answer - total.first_failure
    return seconds, float(status(kubectl)["lastRollback"]["seconds"]), account.failed - failed


def _emptied(kubectl: Kubectl, revision: str) -> bool:
    pods = kubectl.get("pods", "-l", f"viridian.dev/revision={revision}") or {}
    return not pods.get("items")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revert", description=__doc__)
    parser.add_argument("-n", "--repetitions", type=int, default=10)
    parser.add_argument("--rate", type=int, default=80, help="requests a second (default: 80)")
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
    tries = []
    for number in range(chosen.repetitions):
        tries.append(tried_once(kubectl, account, revision, number))
        print(f"  {number + 1:2d}  {tries[-1][0]:.2f} s as clients saw it, {tries[-1][2]} failed", flush=True)
    account.stop()
    print(f"first 5xx to last answer, clients: {spread([one[0] for one in tries], 's')}")
    print(f"first breaching sample to no traffic: {spread([one[1] for one in tries], 's')}")
    print(f"failed requests a revert: {spread([float(one[2]) for one in tries], '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
