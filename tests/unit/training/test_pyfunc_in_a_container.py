"""The manifest for MLflow pyfuncs in docs/model-kinds.md: its command serves one, which our own server refuses."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.ports import free_port
from tests.support.mlflow_server import MlflowServer, cache, end_group, environment, healthy, wait_until_healthy
from viridian.serving.bundle import contents
from viridian.serving.errors import BundleRefused

pytestmark = pytest.mark.needs_mlflow

PAGE = Path(__file__).resolve().parents[3] / "docs" / "model-kinds.md"
SAVED = """
import sys
import mlflow
import pandas

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["age"] * 2

mlflow.pyfunc.save_model(sys.argv[1], python_model=Doubled())
"""


def container() -> dict[str, Any]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    (found,) = yaml.safe_load(blocks[0])["spec"]["server"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_mlflows_own_server_serves_what_the_model_server_refuses(tmp_path: Path) -> None:
    model, programs, given = tmp_path / "model", cache() / "mlflow-venv" / "bin", environment(tmp_path)
    subprocess.run([str(programs / "python"), "-c", SAVED, str(model)], check=True, capture_output=True, env=given)
    with pytest.raises(BundleRefused, match="the flavors python_function are not served"):
        contents.read(model)
    port = free_port()
    changed = {"/model": str(model), "0.0.0.0": "127.0.0.1", "8080": str(port)}  # noqa: S104  it is replaced
    program, *arguments = (
        re.sub(r"(?<==).*", lambda value: changed.get(value[0], value[0]), part) for part in container()["command"]
    )
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / program), *arguments],
            env={**given, "PATH": f"{programs}:{given['PATH']}"},
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(MlflowServer(url=url, directory=tmp_path, process=process))
        assert healthy(url, container()["readinessProbe"]["httpGet"]["path"])
        body = json.dumps({"dataframe_split": {"columns": ["age"], "data": [[4], [5]]}}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{url}/invocations", body, headers)  # noqa: S310  our own http address
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            assert json.load(answer)["predictions"] == [{"age": 8}, {"age": 10}]
    finally:
        end_group(process)
