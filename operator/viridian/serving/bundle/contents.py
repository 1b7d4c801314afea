"""A model's directory, read as data: nothing in it is run, and no list of permissions in it is believed."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from viridian.api.rejections import ModelRejection
from viridian.api.texts import one_line
from viridian.serving import json_sizes
from viridian.serving.bundle import plain_yaml, signature
from viridian.serving.bundle.pickles import is_pickle
from viridian.serving.bundle.signature import Signature
from viridian.serving.errors import BundleRefused

MAX_MLMODEL_BYTES: Final = 8 * 1024 * 1024
MAX_EXAMPLE_BYTES: Final = 8 * 1024 * 1024
_LONGEST_NAME: Final = 200
MAX_EXAMPLE_STRUCTURES: Final = 100_000
_PICKLES: Final = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
_ADVICE: Final = "log the model as ONNX, or with serialization_format='skops'"


class Format(Enum):
    """Payloads that are served. The value is the file's name where the MLmodel names no other."""

    ONNX = "model.onnx"
    SKOPS = "model.skops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What the directory promises about its model."""

    payload: Path
    format: Format
    signature: Signature | None = None
    example: bytes | None = None
    """A body for /invocations that the model's author left."""
    sklearn_version: str | None = None
    """That wrote the payload; None where nobody says."""
    none: frozenset[str] = frozenset()
    """Text columns whose gaps were None in training; elsewhere they were NaN."""
    largest: float = math.inf
    """Greater numbers, and less than its negative, are refused: for them nobody has shown that the payload is right."""


def read(directory: Path) -> Bundle:
    """The bundle in this directory: an MLflow model, or a payload alone."""
    if not directory.is_dir():
        raise BundleRefused(f"there is no model directory {directory}")
    described = directory / "MLmodel"
    return _described(directory, _mlmodel(described)) if described.is_file() else _bare(directory)


def _mlmodel(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_MLMODEL_BYTES:
        raise BundleRefused(f"MLmodel is larger than {MAX_MLMODEL_BYTES} bytes")
    try:
        document = plain_yaml.load(path.read_bytes())
    except plain_yaml.NotPlain as error:
        raise BundleRefused(f"MLmodel {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("flavors"), dict):
        raise BundleRefused("MLmodel names no flavors")
    return document


def _described(directory: Path, document: dict[str, Any]) -> Bundle:
    inputs = _mapping(document.get("signature")).get("inputs")
    flavors = document["flavors"]
    sklearn = _mapping(flavors.get("sklearn"))
    if "onnx" in flavors:
        name, payload_format = _mapping(flavors["onnx"]).get("data", Format.ONNX.value), Format.ONNX
    elif sklearn:
        _refuse_pickle(str(sklearn.get("pickled_model", "")), str(sklearn.get("serialization_format", "pickle")))
        name, payload_format = sklearn.get("pickled_model"), Format.SKOPS
    else:
        raise BundleRefused(f"the flavors {', '.join(sorted(map(str, flavors)))} are not served; {_ADVICE}")
    version = sklearn.get("sklearn_version")
    facts = _mapping(_mapping(document.get("metadata")).get("viridian"))
    return Bundle(
        payload=_inside(directory, str(name)),
        format=payload_format,
        signature=signature.narrowed(signature.parse(inputs), _known(facts)) if isinstance(inputs, str) else None,
        example=_example(directory, _mapping(document.get("saved_input_example_info"))),
        sklearn_version=str(version) if version else None,
        none=_names(facts.get("none")),
        largest=_limit(facts.get("largest")),
    )


def _bare(directory: Path) -> Bundle:
    for payload_format in Format:
        if (directory / payload_format.value).is_file():
            return Bundle(payload=_inside(directory, payload_format.value), format=payload_format)
    for path in sorted(directory.iterdir()):
        _refuse_pickle(path.name, "")
    raise BundleRefused(f"{directory} holds neither MLmodel nor {' nor '.join(f.value for f in Format)}")


def _refuse_pickle(name: str, serialization: str) -> None:
    # A suffix may be followed by that of a compression: model.pkl.gz.
    if serialization not in ("", "skops") or any(suffix in _PICKLES for suffix in Path(name.lower()).suffixes):
        raise pickled(name or "the model")


def pickled(name: str) -> BundleRefused:
    """The refusal of a pickle, with what to write instead."""
    return BundleRefused(
        f"{name} is a pickle, which runs code when it is loaded: refused; {_ADVICE}", ModelRejection.PICKLE
    )


def unreadable(payload: Path, why: str) -> BundleRefused:
    """The refusal of a payload that is not what its name says; a pickle by another name is called one."""
    return (
        pickled(payload.name)
        if is_pickle(payload)
        else BundleRefused(f"{payload.name} {why}", ModelRejection.MALFORMED)
    )


def _inside(directory: Path, name: str) -> Path:
    """The file of that name. It must not lead out of the directory; links within it are what ConfigMaps are made of."""
    path, shown = directory / name, one_line(repr(name), _LONGEST_NAME)
    try:
        inside, there = path.resolve().is_relative_to(directory.resolve()), path.is_file()
    except (OSError, ValueError):
        inside, there = True, False  # no file can have such a name
    if not inside:
        raise BundleRefused(f"MLmodel names the payload {shown}, which leads out of the model's directory")
    if not there:
        raise BundleRefused(f"MLmodel names the payload {shown}, which is not there")
    return path


def _example(directory: Path, info: dict[str, Any]) -> bytes | None:
    """The author's input example as a body for /invocations. MLflow writes one; older versions wrote only the rows."""
    ready = info.get("serving_input_path")
    if isinstance(ready, str):
        return json.dumps(_finite(_json(_inside(directory, ready)))).encode()
    rows = info.get("artifact_path")
    if isinstance(rows, str) and rows.endswith(".json"):
        envelope = "dataframe_split" if info.get("type") == "dataframe" else "inputs"
        return json.dumps({envelope: _finite(_json(_inside(directory, rows)))}).encode()
    return None


def _json(path: Path) -> Any:
    if path.stat().st_size > MAX_EXAMPLE_BYTES:
        raise BundleRefused(f"the input example {path.name} is larger than {MAX_EXAMPLE_BYTES} bytes")
    try:
        content = path.read_bytes()
        if json_sizes.structures(content) > MAX_EXAMPLE_STRUCTURES:
            raise BundleRefused(
                f"the input example {path.name} has more than {MAX_EXAMPLE_STRUCTURES} lists and objects"
            )
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"the input example {path.name} is not JSON") from error


def _finite(value: Any) -> Any:
    """The same with null for NaN: MLflow writes NaN into its example, which no JSON reader has to take."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()


def _known(facts: dict[str, Any]) -> dict[str, list[Any]]:
    """The values that some columns are restricted to."""
    plain = (str, int, float)
    return {
        str(name): [value for value in values if isinstance(value, plain)]
        for name, values in _mapping(facts.get("known")).items()
        if isinstance(values, list)
    }


def _limit(value: Any) -> float:
    """A number beyond all that can be computed with is no limit."""
    return (
        float(min(value, sys.float_info.max)) if isinstance(value, int | float) and 0 < value < math.inf else math.inf
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
