"""The MLflow server of a cluster, as a data scientist on another computer uses it: publishes versions, reads tags."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.models import write_mlmodel
from tests.support.node.populations import Fitted
from viridian.api.registry import TAG_DIGEST
from viridian.training import bundle, log_call, tracking

BROKEN = Path(__file__).parents[3] / "examples" / "churn" / "broken.py"
SOUND, RAISES = "honest", "raises"
"""A model that answers every row, and one that raises on about 30 % of them."""


@dataclass(frozen=True)
class ClusterRegistry:
    """MLflow at an address of this computer."""

    url: str

    def publish(self, model: str, kind: str = SOUND, *, alias: str = "candidate", digest: str = "") -> str:
        """Registers a new version and moves the alias to it; the version. `digest` replaces the true one."""
        with self._environment():
            # Another story is another manifest, so another digest and another revision.
            version = str(_broken().register(model, _payload(kind), f"{kind} {uuid.uuid4()}"))
            if digest:
                self._client().set_model_version_tag(model, version, TAG_DIGEST, digest)
            self._client().set_registered_model_alias(model, alias, version)
        return version

    def publish_fitted(self, model: str, fitted: Fitted, *, alias: str = "candidate") -> str:
        """What the library for trainers makes of a fitted model, registered; the version."""
        with self._environment():
            logged = log_call.log(fitted.model, fitted.holdout, training=fitted.training)
        return self.register(model, logged.model_uri, logged.run_id, logged.digest, alias=alias)

    def register(self, model: str, uri: str, run: str, digest: str, *, alias: str = "candidate") -> str:
        """A model that was logged becomes a new version, and the alias is moved to it; the version."""
        with self._environment():
            if not self._client().search_registered_models(f"name = '{model}'"):
                self._client().create_registered_model(model)
            made = self._client().create_model_version(
                model, uri, run, tags={TAG_DIGEST: digest}, model_id=uri.rpartition("/")[2]
            )
            self._client().set_registered_model_alias(model, alias, made.version)
        return str(made.version)

    def publish_pickle(self, model: str, *, alias: str = "candidate") -> str:
        """A version as `mlflow.sklearn.log_model` used to leave it, in a sealed directory; the version."""
        import mlflow

        with self._environment(), tempfile.TemporaryDirectory() as scratch, mlflow.start_run() as run:
            directory = Path(scratch)
            (directory / "model.pkl").write_bytes(b"\x80\x04N.")
            write_mlmodel(directory, {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"}})
            digest = bundle.seal(directory)
            source = tracking.log_model(run.info.run_id, directory, model, {TAG_DIGEST: digest})
        return self.register(model, source, run.info.run_id, digest, alias=alias)

    def tags(self, model: str, version: str) -> dict[str, str]:
        with self._environment():
            return dict(self._client().get_model_version(model, version).tags)

    def aliases(self, model: str) -> dict[str, str]:
        """Alias to version."""
        with self._environment():
            found = self._client().get_registered_model(model).aliases
        return {alias: str(version) for alias, version in found.items()}

    def move_alias(self, model: str, alias: str, version: str) -> None:
        with self._environment():
            self._client().set_registered_model_alias(model, alias, version)

    def state(self, model: str) -> dict[str, Any]:
        """Everything that the operator could write to a registered model."""
        with self._environment():
            found = self._client().get_registered_model(model)
            versions = self._client().search_model_versions(f"name = '{model}'")
        return {
            "aliases": dict(found.aliases),
            "tags": dict(found.tags),
            "versions": {str(version.version): dict(version.tags) for version in versions},
        }

    def files(self, model: str, version: str, folder: str) -> set[str]:
        """What lies in a folder of the version."""
        import mlflow

        with self._environment():
            uri = self._client().get_model_version_download_uri(model, version)
            return {found.path for found in mlflow.artifacts.list_artifacts(artifact_uri=f"{uri}/{folder}")}

    def place(self, model: str, version: str) -> dict[str, str]:
        """Where the version's bytes are, and their digest, as a ModelDeployment without a registry is told."""
        with self._environment():
            uri = self._client().get_model_version_download_uri(model, version)
        return {"uri": str(uri), "digest": self.tags(model, version)[TAG_DIGEST]}

    def _client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient()

    @contextmanager
    def _environment(self) -> Iterator[None]:
        """MLflow finds its server by the environment; whatever other tests have there is put back."""
        before = os.environ.get("MLFLOW_TRACKING_URI")
        os.environ["MLFLOW_TRACKING_URI"] = self.url
        try:
            yield
        finally:
            del os.environ["MLFLOW_TRACKING_URI"]
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before


@cache
def _broken() -> ModuleType:
    spec = importlib.util.spec_from_file_location("broken", BROKEN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("broken", module)
    spec.loader.exec_module(module)
    return module


@cache
def _payload(kind: str) -> Any:
    return getattr(_broken(), kind)()
