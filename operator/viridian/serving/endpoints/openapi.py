"""An OpenAPI 3.1 document made from the model's signature: what clients are generated from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from viridian.serving.bundle.signature import Column, ColumnKind, Signature, Table
from viridian.serving.data.datatypes import BOOL, BYTES
from viridian.serving.data.outputs import Output
from viridian.serving.errors import Rejection
from viridian.serving.execution.model import LoadedModel

_TYPES: Final = {
    ColumnKind.FLOAT: "number",
    ColumnKind.INTEGER: "integer",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.STRING: "string",
}
_EXAMPLES: Final[dict[ColumnKind, Any]] = {
    ColumnKind.FLOAT: 0.0,
    ColumnKind.INTEGER: 0,
    ColumnKind.BOOLEAN: False,
    ColumnKind.STRING: "",
}
_ANY_ERROR: Final = {
    "400": "The input is refused; `field` and `reason` say why.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not understood.",
    "429": "Too many requests wait; `Retry-After` says when to come back.",
    "500": "The model raised.",
    "503": "The model is still being loaded, or the request waited too long for its turn.",
    "504": "The model did not answer in time.",
}


def document(model: LoadedModel) -> dict[str, Any]:
    """The interface of a server of this model."""
    path = f"/v2/models/{quote(model.name)}"
    versioned = [f"{path}/versions/{quote(model.version)}"] if model.version else []
    return {
        "openapi": "3.1.0",
        "info": {
            "title": model.name,
            "version": model.version or "0",
            "description": "Predictions by the Open Inference Protocol v2 and by MLflow's /invocations.",
        },
        "paths": {
            "/invocations": {"post": _predicting("MLflow's form", "Invocation", "Predictions", also_csv=True)},
            **{
                f"{place}/infer": {"post": _predicting("Open Inference Protocol", "InferRequest", "InferResponse")}
                for place in (path, *versioned)
            },
            **{place: {"get": _asking("Inputs and outputs of the model")} for place in (path, *versioned)},
            **{f"{place}/ready": {"get": _asking("200 when ready, else 503")} for place in (path, *versioned)},
            "/v2": {"get": _asking("Name, version and extensions of the server")},
            "/v2/health/live": {"get": _asking("200 while the process answers")},
            "/v2/health/ready": {"get": _asking("200 when ready, else 503")},
        },
        "components": {
            "schemas": {
                **_request_schemas(model.signature),
                **_answer_schemas(model.outputs),
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {
                        "error": {"type": "string"},
                        "field": {"type": "string"},
                        "reason": {"type": "string", "enum": [reason.value for reason in Rejection]},
                    },
                },
            }
        },
    }


def _predicting(summary: str, request: str, answer: str, *, also_csv: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"application/json": {"schema": _ref(request)}}
    if also_csv:
        body["text/csv"] = {"schema": {"type": "string", "description": "A header with the columns, then the rows."}}
    errors = {
        code: {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
        for code, text in _ANY_ERROR.items()
    }
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {
                "description": "One prediction for each row.",
                "headers": {
                    "x-viridian-prediction-id": {
                        "description": "How an outcome finds its prediction; row n > 0 has `-n` after it.",
                        "schema": {"type": "string", "format": "uuid"},
                    }
                },
                "content": {"application/json": {"schema": _ref(answer)}},
            },
            **errors,
        },
    }


def _asking(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {"application/json": {"schema": {"type": "object"}}}}},
    }


def _request_schemas(signature: Signature) -> dict[str, Any]:
    if isinstance(signature, Table):
        row: dict[str, Any] = {
            "type": "object",
            "required": [column.name for column in signature.columns if column.required],
            "properties": {column.name: _value(column) for column in signature.columns},
            "additionalProperties": False,
        }
        names = [column.name for column in signature.columns]
        values = [_EXAMPLES[column.kind] for column in signature.columns]
        example: dict[str, Any] = {"dataframe_records": [dict(zip(names, values, strict=True))]}
        tensors = [_tensor(column.name, column.datatype, [1], [_EXAMPLES[column.kind]]) for column in signature.columns]
    else:
        width = signature.width or 1
        row = {"type": "array", "items": {"type": "number"}}
        row |= {} if signature.width is None else {"minItems": width, "maxItems": width}
        example = {"inputs": [[0.0] * width]}
        tensors = [_tensor(signature.name, signature.datatype, [1, width], [0.0] * width)]
    return {
        "Row": row,
        "Invocation": {"oneOf": _forms(signature), "examples": [example]},
        "InferRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {"type": "string"},
                "inputs": {"type": "array", "minItems": 1, "items": _ref("Tensor")},
                "outputs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                    },
                },
                "parameters": {"type": "object"},
            },
            "examples": [{"inputs": tensors}],
        },
        "Tensor": {
            "type": "object",
            "required": ["name", "shape", "datatype"],
            "properties": {
                "name": {"type": "string"},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "datatype": {"type": "string"},
                "data": {"type": "array", "description": "Absent where `parameters.binary_data_size` is given."},
                "parameters": {"type": "object"},
            },
        },
    }


def _forms(signature: Signature) -> list[dict[str, Any]]:
    """The bodies that /invocations takes."""
    rows = {"type": "array", "minItems": 1, "items": _ref("Row")}
    lists = {"type": "array", "minItems": 1, "items": {"type": "array"}}
    if not isinstance(signature, Table):
        return [_form("inputs", rows), _form("instances", rows), _form("dataframe_split", _split(lists))]
    columns = {
        "type": "object",
        "properties": {column.name: {"type": "array", "items": _value(column)} for column in signature.columns},
    }
    return [
        _form("dataframe_records", rows),
        _form("dataframe_split", _split(lists)),
        _form("instances", {"anyOf": [rows, lists]}),
        _form("inputs", {"anyOf": [columns, rows, lists]}),
    ]


def _form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema, "params": {"type": "object"}}}


def _split(lists: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": {"type": "array", "items": {"type": "string"}}, "data": lists},
    }


def _answer_schemas(outputs: Sequence[Output]) -> dict[str, Any]:
    entries = [
        {
            "type": "object",
            "required": ["name", "datatype", "shape"],
            "properties": {
                "name": {"const": output.name},
                "datatype": {"const": output.datatype},
                "shape": {"type": "array", "items": {"type": "integer"}},
                "data": {"type": "array", "items": _of_datatype(output.datatype)},
            },
        }
        for output in outputs
    ]
    return {
        "InferResponse": {
            "type": "object",
            "required": ["model_name", "outputs"],
            "properties": {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "outputs": {"type": "array", "items": {"oneOf": entries}},
            },
        },
        "Predictions": {"type": "object", "required": ["predictions"], "properties": {"predictions": {}}},
    }


def _value(column: Column) -> dict[str, Any]:
    kind = _TYPES[column.kind]
    return {"type": kind} if column.required else {"type": [kind, "null"]}


def _of_datatype(datatype: str) -> dict[str, Any]:
    if datatype in (BYTES, BOOL):
        return {"type": "string" if datatype == BYTES else "boolean"}
    # A model may answer NaN, which JSON can only call null.
    return {"type": ["number", "null"]} if datatype.startswith("FP") else {"type": "integer"}


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
