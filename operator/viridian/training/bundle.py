"""The directory of a model version: a normal MLflow model, plus `viridian/holdout.json` and `viridian/manifest.json`.

Nothing in it depends on the run or the hour, so that the same model on the same rows has the same digest again.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from viridian.api import manifest
from viridian.serving.bundle import Format
from viridian.serving.integrity import hashed
from viridian.training.holdout import Column, Holdout
from viridian.training.payload import Payload

EXAMPLE: Final = "input_example.json"
SERVING_EXAMPLE: Final = "serving_input_example.json"
REQUIREMENTS: Final = {Format.ONNX: ("onnx", "onnxruntime", "numpy"), Format.SKOPS: ("scikit-learn", "skops", "numpy")}


def write(directory: Path, payload: Payload, holdout: Holdout, facts: Mapping[str, str]) -> str:
    """Writes the bundle into an empty directory; its digest."""
    (directory / "viridian").mkdir(parents=True)
    (directory / payload.format.value).write_bytes(payload.content)
    (directory / "MLmodel").write_text(yaml.safe_dump(mlmodel(payload, holdout, facts), sort_keys=True))
    (directory / "requirements.txt").write_text("".join(f"{name}\n" for name in REQUIREMENTS[payload.format]))
    write_json(
        directory / "python_env.yaml", {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    )
    write_json(directory / EXAMPLE, example(holdout))
    write_json(directory / SERVING_EXAMPLE, {"dataframe_split": example(holdout)})
    write_json(directory / "viridian" / "holdout.json", holdout.document())
    return seal(directory)


def seal(directory: Path) -> str:
    """Writes the manifest over every file that is there; the digest of the version."""
    document = manifest.render(hashed(directory))
    path = directory / manifest.MANIFEST_PATH
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(document)
    return manifest.digest(document)


def mlmodel(payload: Payload, holdout: Holdout, facts: Mapping[str, str]) -> dict[str, Any]:
    """MLflow's description of the model, with the types and the order of its columns as signature."""
    columns = [{"type": column.type, "name": column.name, "required": column.required} for column in holdout.columns]
    flavors = {name: dict(flavor) for name, flavor in payload.flavors.items()}
    flavors["python_function"] |= {
        "python_version": platform.python_version(),
        "env": {"virtualenv": "python_env.yaml"},
    }
    return {
        "flavors": flavors,
        "signature": {"inputs": json.dumps(columns), "outputs": json.dumps(outputs(holdout)), "params": None},
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "pandas_orient": "split",
            "serving_input_path": SERVING_EXAMPLE,
            "type": "dataframe",
        },
        "metadata": {"viridian": {"payload": payload.format.name.lower(), **payload.facts, **facts}},
    }


def outputs(holdout: Holdout) -> list[dict[str, Any]]:
    dtype = "str" if holdout.target.dtype.kind in "UOS" else holdout.target.dtype.name
    return [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1]}}]


def example(holdout: Holdout) -> dict[str, Any]:
    """The first row: what the server predicts before it calls itself ready."""
    row = [value_of(column, value) for column, value in zip(holdout.columns, holdout.matrix[0].tolist(), strict=True)]
    return {"columns": [column.name for column in holdout.columns], "data": [row]}


def value_of(column: Column, value: float) -> float | int | None:
    """As JSON has it: whole numbers without a fraction, and null for a gap."""
    if math.isnan(value):
        return None
    return int(value) if column.type == "long" else value


def write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
