"""The document of a signature: one form, and nothing that a reader could understand in two ways."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.signing import MAX_SIGNATURE_BYTES, Signature, SignatureMalformed, key_id, parse, render

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
