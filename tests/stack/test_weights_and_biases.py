"""Weights & Biases inside a training Job, offline, beside a real MLflow server."""

from __future__ import annotations

import json

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.stack.systems import named
from tests.support.stack.trained_run import TrainedRun, trained

SYSTEM = named("weights-and-biases")
READ = """
import json, struct, sys
from pathlib import Path
from wandb.proto.wandb_internal_pb2 import Record

def records(data, block=32768, header=7):
    # The log format of LevelDB after seven bytes of its own: checksum, size and kind of each piece of a record.
    place, whole = header, b""
    while place + header <= len(data):
        if (left := block - place % block) < header:
            place += left
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + header : place + header + size]
        place += header + size
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""

found = {}
for record in records(Path(sys.argv[1]).read_bytes()):
    if record.WhichOneof("record_type") == "run":
        found["id"] = record.run.run_id
    for item in (*record.history.item, *record.summary.update):
        found["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def result(mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(SYSTEM, mlflow.url, tmp_path_factory.mktemp("wandb"))


def test_the_offline_run_has_the_id_of_the_mlflow_run_and_its_metrics(result: TrainedRun) -> None:
    (file,) = result.folder.rglob("*.wandb")
    found = json.loads(result.read_by_the_system(READ, file))
    assert found["id"] == result.run.run_id
    assert found["auc"] == pytest.approx(result.run.metrics["auc"])
    assert found["model"] == result.run.model_uri


def test_the_model_version_leads_to_the_run(result: TrainedRun) -> None:
    assert result.version.run_id == result.run.run_id
    assert result.run.tags["wandb.run"] == f"churn/{result.run.run_id}"
