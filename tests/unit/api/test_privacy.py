"""The rules for what may be kept of a row, and the keyed hash that server and collector must agree on."""

from __future__ import annotations

import hashlib
import hmac

import msgspec
import pytest

from viridian.api.privacy import Rules, keyed_hash, plain


def test_the_hash_is_plain_hmac_sha256_that_any_tool_can_repeat() -> None:
    assert keyed_hash(b"key", "a@b.example") == hmac.new(b"key", b"a@b.example", hashlib.sha256).hexdigest()
    assert keyed_hash(b"key", "x") != keyed_hash(b"other", "x")


@pytest.mark.parametrize(
    ("value", "spelled"), [(5, "5"), (5.0, "5"), (5.5, "5.5"), (True, "true"), ("Ulm", "Ulm"), ("5.0", "5.0")]
)
def test_one_spelling_for_one_value(value: object, spelled: str) -> None:
    assert plain(value) == spelled


def test_rules_are_refused_when_they_are_misspelt() -> None:
    assert msgspec.json.decode(b'{"sampling": 10, "deny": ["iban"]}', type=Rules) == Rules(sampling=10, deny=("iban",))
    assert not Rules(deny=("iban",)).needs_key
    assert Rules(subject="customer").needs_key
    for wrong in (b'{"denied": ["iban"]}', b'{"sampling": 101}', b'{"hash": "iban"}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(wrong, type=Rules)
