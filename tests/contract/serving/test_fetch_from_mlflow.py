"""What the fetch step believes about MLflow's artifact proxy, asked of a real MLflow server."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import models
from tests.support.mlflow_server import MlflowServer
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.main import fetch, parse

ROOT = "fetch-contract/models/m-1/artifacts"


def upload(server: MlflowServer, directory: Path) -> None:
    """As MLflow's own client does it."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            name = quote(f"{ROOT}/{path.relative_to(directory).as_posix()}")
            url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{name}"
            request = urllib.request.Request(url, path.read_bytes(), method="PUT")  # noqa: S310 - our own address
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - our own address
                assert response.status == 200


@pytest.mark.timeout(300)
def test_a_version_with_folders_and_blanks_comes_back_whole(tmp_path: Path, mlflow: MlflowServer) -> None:
    source = models.write_onnx_mlflow(tmp_path / "source")
    (source / "a folder" / "inside").mkdir(parents=True)
    (source / "a folder" / "inside" / "größe 1+1.txt").write_text("x")
    digest = models.add_manifest(source)
    upload(mlflow, source)
    variables = {
        "VIRIDIAN_MODEL_URI": f"mlflow-artifacts:/{ROOT}",
        "VIRIDIAN_MODEL_DIGEST": digest,
        "VIRIDIAN_MODEL_DIR": str(tmp_path / "model"),
        "MLFLOW_TRACKING_URI": mlflow.url,
    }
    fetch(parse([], variables), {})
    for path in source.rglob("*"):
        copy = tmp_path / "model" / path.relative_to(source)
        assert copy.is_dir() if path.is_dir() else copy.read_bytes() == path.read_bytes()

    gone = {"VIRIDIAN_MODEL_URI": "mlflow-artifacts:/fetch-contract/gone", "VIRIDIAN_MODEL_DIR": str(tmp_path / "gone")}
    with pytest.raises(FetchFailed, match="MLflow has no files at"):
        fetch(parse([], variables | gone), {})
