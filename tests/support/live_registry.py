"""What people and trainers do to a real MLflow server, past the adapter under test."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from viridian.api.registry import TAG_DIGEST, TAG_FEATURES


@dataclass(frozen=True)
class LiveRegistry:
    """An MLflow server, by its address."""

    url: str

    def publish(self, model: str, alias: str = "candidate", *, digest: str = "", features: str = "") -> str:
        """A new version of the model, which gets the alias; its number."""
        try:
            self._post("registered-models/create", name=model)
        except urllib.error.HTTPError as error:
            if b"RESOURCE_ALREADY_EXISTS" not in error.read():
                raise
        source = f"s3://models/{model}"
        known = {TAG_DIGEST: digest, TAG_FEATURES: features}
        tags = [{"key": key, "value": value} for key, value in known.items() if value]
        made = self._post("model-versions/create", name=model, source=source, tags=tags)
        version = str(made["model_version"]["version"])
        self.point(model, alias, version)
        return version

    def point(self, model: str, alias: str, version: str) -> None:
        self._post("registered-models/alias", name=model, alias=alias, version=version)

    def withdraw(self, model: str, alias: str) -> None:
        """The alias is deleted."""
        self._send("DELETE", "registered-models/alias", name=model, alias=alias)

    def aliases(self, model: str) -> dict[str, str]:
        found = self._get("registered-models/get", name=model)["registered_model"].get("aliases", [])
        return {entry["alias"]: entry["version"] for entry in found}

    def tags(self, model: str, version: str) -> dict[str, str]:
        found = self._get("model-versions/get", name=model, version=version)["model_version"].get("tags", [])
        return {entry["key"]: entry["value"] for entry in found}

    def model_tags(self, model: str) -> dict[str, str]:
        """Of the registered model itself."""
        found = self._get("registered-models/get", name=model)["registered_model"].get("tags", [])
        return {entry["key"]: entry["value"] for entry in found}

    def tag_model(self, model: str, key: str, value: str) -> None:
        """As MLflow's administrator does."""
        self._post("registered-models/set-tag", name=model, key=key, value=value)

    def logged_by_another_run(self) -> str:
        """A logged model whose run is nobody's that the operator knows."""
        run = self._post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
        made = self._post("logged-models", experiment_id="0", name="model", source_run_id=run)
        return f"models:/{made['model']['info']['model_id']}"

    def versions(self, model: str) -> list[str]:
        found = self._get("model-versions/search", filter=f"name='{model}'").get("model_versions", [])
        return sorted(entry["version"] for entry in found)

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._get("runs/get", run_id=run_id)["run"]
        return found

    def trail(self, namespace: str) -> list[dict[str, Any]]:
        """The entries of the trail of audit of all objects of a namespace, in the order of time."""
        try:
            experiment = self._get("experiments/get-by-name", experiment_name=f"viridian-trail/{namespace}")
        except urllib.error.HTTPError as error:
            with error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
            return []
        ids = [experiment["experiment"]["experiment_id"]]
        runs = self._post("runs/search", experiment_ids=ids).get("runs", [])
        tags = [tag for run in runs for tag in run["data"].get("tags", [])]
        entries = sorted((tag["key"], tag["value"]) for tag in tags if tag["key"].startswith("viridian.trail."))
        return [json.loads(value) for _, value in entries]

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        return _answer(urllib.request.Request(f"{self.url}/api/2.0/mlflow/{path}?{urlencode(query)}"))  # noqa: S310

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._send("POST", path, **body)

    def _send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  the test's own server
            f"{self.url}/api/2.0/mlflow/{path}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        return _answer(request)


def _answer(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        parsed: Mapping[str, Any] = json.load(answer)
    return dict(parsed)
