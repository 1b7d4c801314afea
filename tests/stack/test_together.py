"""DVC, Evidently, Feast, MLflow and Airflow in one namespace of a real node: `make stack-together`.

With --record-stack, the account and its pictures are written for docs/stack-together.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo import stage
from demo.kubectl import Kubectl
from localcluster import clusters, images
from tests.support.stack.together import pictures, record
from tests.support.stack.together.images import stack_images
from tests.support.stack.together.joint_stack import RATE, JointStack, customers, joint_stack
from tests.support.stack.together.versions import versions

pytestmark = [pytest.mark.needs_node, pytest.mark.timeout(3600)]
ORDERS_LITTLE = {"age": 40.0, "orders_per_month": 0.5, "complaints": 0, "contract": "monthly"}
"""In spring such a customer stays, and in autumn leaves."""


@pytest.fixture(scope="module")
def stack() -> Iterator[JointStack]:
    named = os.environ.get(clusters.KUBECONFIG_VARIABLE)
    cluster = clusters.choose(named)
    ran_before = named is not None or "running" in cluster.status().values()
    kubectl: Kubectl = stage.ready_cluster(Path(named) if named else None, images_loaded=named is not None)
    if named is None:
        cluster.load(images.build_images(stack_images()))
    try:
        with joint_stack(kubectl) as made:
            yield made
    finally:
        if not ran_before:
            cluster.down()


def test_new_data_become_a_new_champion_and_a_broken_export_does_not(
    stack: JointStack, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    account = stack.account
    with account.scene("Spring: the first data, the first champion"):
        assert stack.follow(stack.pass_season("spring")) == "success"
        first = stack.runs()[0]["version"]
        stack.await_champion(first)
        assert stack.answer(ORDERS_LITTLE) == 0
        stage.start_load(stack.kubectl, RATE, table=customers("spring"))
        account.follow_load()
    with account.scene("Autumn: new data, a new champion"):
        commit = stack.pass_season("autumn")
        pushed = time.time()
        assert stack.follow(commit) == "success"
        run = stack.runs()[0]
        stack.await_champion(run["version"])
        stack.figures["from the end of the Job that pushes new data to the new champion"] = (
            f"{time.time() - pushed:.0f} s"
        )
        assert stack.answer(ORDERS_LITTLE) == 1
        account.tell("Viridian", f"the champion has Feast's definition {stack.features_of_champion()[:19]}…")
        account.tell("users", "a customer who orders little: the first champion answers 0, the new one 1")
        tags = {one["key"]: one["value"] for one in stack.mlflow_run(run)["data"]["tags"]}
        assert tags["airflow.dag_run"] == f"retrain_churn/data-{commit[:12]}"
        assert stack.features_of_champion() == stack.features_of_servers()
        assert run["lineage"]["dataRevision"] == commit
        kept = stack.artifacts(stack.mlflow_run(run)["info"]["run_id"])
        assert "evidently.html" in kept
        account.tell("MLflow", f"the run was asked for by {tags['airflow.dag_run']}; its artifacts: {', '.join(kept)}")
    with account.scene("A broken export: nothing is trained"):
        assert stack.follow(stack.pass_season("broken-export")) == "failed"
        assert stack.runs()[0]["outcome"] == "DataQualityFailed"
        assert "Value Drift for column age" in stack.condition("DataQuality")
        assert stack.champion() == run["version"]
        account.tell("Viridian", f"version {run['version']} still serves all users")
    answered, failed = account.answered, account.failed
    assert answered > 0
    assert failed == 0, "no user has noticed"
    stack.figures["requests of users, and failed ones"] = f"{answered}, {failed}"
    stack.figures |= {f"memory of {name}": f"{size:.2f} GiB" for name, size in stack.memory().items()}
    if request.config.option.record_stack:
        pictures.take(stack, run, tmp_path)
        record.write(
            record.JointRun(
                on=datetime.now(UTC).date(),
                versions=versions(),
                scenes=tuple(account.scenes),
                figures=stack.figures,
            )
        )
