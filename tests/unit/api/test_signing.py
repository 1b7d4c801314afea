"""The document of a signature: one form, and nothing that a reader could understand in two ways."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.signing import (
    MAX_SIGNATURE_BYTES,
    Signature,
    SignatureMalformed,
    Subject,
    authenticated,
    key_id,
    parse,
    render,
    statement,
    subject_of,
)

VALUE = base64.b64encode(b"s" * 64).decode()


@given(st.text("0123456789abcdef", min_size=16, max_size=16), st.binary(min_size=64, max_size=64))
def test_what_render_writes_parse_takes(key: str, value: bytes) -> None:
    assert parse(render(Signature(key, value))) == Signature(key, value)


def test_the_document_is_the_documented_one() -> None:
    written = b'{"algorithm":"ed25519","key":"0123456789abcdef","signature":"%s"}' % VALUE.encode()
    assert render(Signature("0123456789abcdef", b"s" * 64)) == written
    assert key_id(b"\0" * 32) == "66687aadf862bd77"


def document(**change: Any) -> bytes:
    whole = {"algorithm": "ed25519", "key": "0123456789abcdef", "signature": VALUE, **change}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\xff\xfe",
        b"s" * 64,
        b"[" * 1000,
        document(key=None),
        document(key=7),
        document(more="x"),
        document(algorithm="rsa"),
        document(signature="no base64 !"),
        document(signature=VALUE[:-4]),
        document(signature=VALUE + "AAAA"),
        document(key="k" * MAX_SIGNATURE_BYTES),
    ],
)
def test_anything_else_is_no_signature(written: bytes) -> None:
    with pytest.raises(SignatureMalformed):
        parse(written)


# ---- the envelope

MANIFEST = b'{"model.onnx":"00"}'
PAYLOAD = statement(MANIFEST, Subject("churn", "r1"))


@given(st.binary(max_size=300), st.binary(min_size=64, max_size=64))
def test_an_envelope_is_read_as_it_was_written(payload: bytes, value: bytes) -> None:
    assert parse(render(Signature("k" * 16, value, payload))) == Signature("k" * 16, value, payload)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_statement_says_of_which_model_and_run(model: str, run: str) -> None:
    model, run = (text.encode(errors="replace").decode() for text in (model, run))
    assert subject_of(statement(MANIFEST, Subject(model, run)), MANIFEST) == Subject(model, run)


def test_the_envelope_is_the_documented_one() -> None:
    found = json.loads(render(Signature("0123456789abcdef", b"s" * 64, PAYLOAD)))
    assert found["payloadType"] == "application/vnd.in-toto+json"
    assert found["signatures"] == [{"keyid": "0123456789abcdef", "sig": VALUE}]
    said = json.loads(base64.b64decode(found["payload"]))
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://viridian.dev/model-version/v1",
    )
    assert said["subject"][0]["name"] == "churn"
    assert said["predicate"] == {"mlflowRunId": "r1"}
    assert authenticated(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


def envelope(**change: Any) -> bytes:
    whole = json.loads(render(Signature("0123456789abcdef", b"s" * 64, PAYLOAD)))
    return json.dumps({**whole, **change}).encode()


@pytest.mark.parametrize(
    "written",
    [
        envelope(payloadType="text/plain"),
        envelope(payload="no base64 !"),
        envelope(signatures=[]),
        envelope(signatures=[{"keyid": "k", "sig": VALUE}] * 2),
        envelope(signatures=[{"keyid": "k", "sig": VALUE[:-4]}]),
        envelope(algorithm="ed25519"),
        envelope(payload="A" * MAX_SIGNATURE_BYTES),
    ],
)
def test_another_envelope_is_no_signature(written: bytes) -> None:
    with pytest.raises(SignatureMalformed):
        parse(written)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_type": "x"}, "is not about a version"),
        ({"predicateType": "https://slsa.dev/provenance/v1"}, "is not about a version"),
        ({"subject": []}, "is not one that Viridian writes"),
        ({"subject": [{"name": "churn", "digest": {"sha256": "0" * 64}}]}, "is about another manifest"),
        ({"subject": [{"name": "churn", "digest": {}}]}, "is about another manifest"),
        ({"predicate": {}}, "is not one that Viridian writes"),
        ({"more": 1}, "is not one that Viridian writes"),
    ],
)
def test_another_statement_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SignatureMalformed, match=words):
        subject_of(json.dumps({**json.loads(PAYLOAD), **change}).encode(), MANIFEST)
