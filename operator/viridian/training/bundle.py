"""The directory of a model version: a normal MLflow model, plus what Viridian wants to know, sealed by a manifest.

    viridian/holdout.json   which rows it was judged on
    viridian/profile.json   what it was trained on, for telling later whether the world has moved
    viridian/manifest.json  the SHA-256 of every file
    viridian/manifest.sig   whose version it is, where VIRIDIAN_SIGNING_KEY_FILE names a key

Nothing in it depends on the run or the hour, so that the same model on the same rows has the same digest again.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from viridian.api import manifest
from viridian.api.profile import PROFILE_PATH, ReferenceProfile
from viridian.api.signing import Subject
from viridian.serving.bundle.contents import Format
from viridian.serving.bundle.integrity import hashed
from viridian.serving.bundle.signature import Signature, narrowed, parse
from viridian.training import signing, tracking
from viridian.training.holdout import Holdout
from viridian.training.payload import Payload
from viridian.training.rows import DatasetColumn

EXAMPLE: Final = "input_example.json"
SERVING_EXAMPLE: Final = "serving_input_example.json"
MODEL_NAME: Final = "VIRIDIAN_MODEL_NAME"
REQUIREMENTS: Final = {
    Format.ONNX: ("onnx", "onnxruntime", "numpy"),
    Format.SKOPS: ("scikit-learn", "skops", "numpy", "pandas"),
}


def write(directory: Path, payload: Payload, holdout: Holdout, facts: Mapping[str, Any]) -> None:
    """Writes the bundle into an empty directory; it is still to be sealed."""
    (directory / "viridian").mkdir(parents=True)
    (directory / payload.format.value).write_bytes(payload.content)
    describe(directory, payload, holdout, facts)
    (directory / "requirements.txt").write_text("".join(f"{name}\n" for name in REQUIREMENTS[payload.format]))
    write_json(
        directory / "python_env.yaml", {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    )
    write_json(directory / EXAMPLE, example(holdout))
    write_json(directory / SERVING_EXAMPLE, {"dataframe_split": example(holdout)})
    write_json(directory / "viridian" / "holdout.json", holdout.document())


def describe(directory: Path, payload: Payload, holdout: Holdout, facts: Mapping[str, Any]) -> None:
    """Writes MLmodel, or writes it anew with other facts."""
    (directory / "MLmodel").write_text(yaml.safe_dump(mlmodel(payload, holdout, facts), sort_keys=True))


def seal(directory: Path, profile: ReferenceProfile | None = None, *, run: str = "") -> str:
    """Writes the profile and then the manifest over every file, and signs it where there is a key; the digest.

    It is signed as a version of the registered model that the stage is for, made by that run, or the one to log to.
    """
    if profile is not None:
        (directory / PROFILE_PATH).write_bytes(msgspec.json.encode(profile) + b"\n")
    document = manifest.render(hashed(directory))
    path = directory / manifest.MANIFEST_PATH
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(document)
    key = signing.key_from(os.environ)
    if key is not None:
        signing.sign(directory, key, Subject(os.environ.get(MODEL_NAME, ""), run or tracking.known_run()))
    return manifest.digest(document)


def mlmodel(payload: Payload, holdout: Holdout, facts: Mapping[str, Any]) -> dict[str, Any]:
    """MLflow's description of the model, with the types and the order of its columns as signature."""
    none = [column.name for column in holdout.columns if column.none]
    known = {column.name: list(column.known) for column in holdout.columns if column.known is not None}
    flavors = {name: dict(flavor) for name, flavor in payload.flavors.items()}
    flavors["python_function"] |= {
        "python_version": platform.python_version(),
        "env": {"virtualenv": "python_env.yaml"},
    }
    return {
        "flavors": flavors,
        "signature": {
            "inputs": signature_inputs(holdout.columns),
            "outputs": json.dumps(outputs(holdout)),
            "params": None,
        },
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "pandas_orient": "split",
            "serving_input_path": SERVING_EXAMPLE,
            "type": "dataframe",
        },
        "metadata": {
            "viridian": {
                "payload": payload.format.name.lower(),
                **payload.facts,
                **facts,
                **({"none": none} if none else {}),
                **({"known": known} if known else {}),
            }
        },
    }


def signature_of(columns: Sequence[DatasetColumn]) -> Signature:
    """What a server makes of the description of these columns."""
    known = {column.name: column.known for column in columns if column.known is not None}
    return narrowed(parse(signature_inputs(columns)), known)


def signature_inputs(columns: Sequence[DatasetColumn]) -> str:
    """Names and types as MLflow's signature has them."""
    return json.dumps([{"type": one.type, "name": one.name, "required": one.required} for one in columns])


def outputs(holdout: Holdout) -> list[dict[str, Any]]:
    dtype = "str" if holdout.target.dtype.kind in "UOS" else holdout.target.dtype.name
    return [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1]}}]


def example(holdout: Holdout) -> dict[str, Any]:
    """The first row: what the server predicts before it calls itself ready."""
    values = holdout.rows.values
    row = [value_of(column, values[column.name][:1].tolist()[0]) for column in holdout.columns]
    return {"columns": holdout.rows.names, "data": [row]}


def value_of(column: DatasetColumn, value: Any) -> Any:
    """As JSON has it: whole numbers without a fraction, and null for a gap."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return int(value) if column.type == "long" else value


def write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
