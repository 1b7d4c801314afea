"""Addresses print without their secrets, whatever shape they have."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.api.address import Address, concealed, shown, without_user
from viridian.api.texts import one_line

WHOLE = "https://planteduser:PLANTEDPW77@models.example.com:8443/m.tar.gz?X-Amz-Signature=PLANTEDSIG88&v=1"


@pytest.mark.parametrize(
    ("whole", "seen"),
    [
        (WHOLE, "https://models.example.com:8443/m.tar.gz?…"),
        ("https://models.example.com/m.tar.gz", "https://models.example.com/m.tar.gz"),
        ("https://user@h/m", "https://h/m"),
        ("https://user:p@ss@h/m", "https://h/m"),
        ("https://user:pa/ss@h/m", "https://h/m"),
        ("https://user:pa?ss@h/m", "https://h/m?…"),
        ("https://user:pa#ss@h/m", "https://h/m#…"),
        ("https://user:cut-short", "https://…"),
        ("https://[::1]:80/x?y", "https://[::1]:80/x?…"),
        ("https://h/m#token", "https://h/m#…"),
        ("https://h/m#a?b", "https://h/m#…"),
        ("https://h?token", "https://h?…"),
        ("https://h/models@v1/m", "https://h/models@v1/m"),
        ("//user:pw@h/m", "//h/m"),
        ("user:pw@h/db", "…@h/db"),
        ("postgresql://user:pw@db:5432/x?sslpassword=y", "postgresql://db:5432/x?…"),
        ("s3://key:secret@bucket/m", "s3://bucket/m"),
        ("mlflow-artifacts:/1/a@b/model", "mlflow-artifacts:/1/a@b/model"),
        ("mlflow-artifacts:/1/model?token=x", "mlflow-artifacts:/1/model?…"),
        ("models:/m-1", "models:/m-1"),
        ("oci://r.example.com/m/churn:7", "oci://r.example.com/m/churn:7"),
        ("oci://localhost:5000/churn@sha256:0a", "oci://localhost:5000/churn@sha256:0a"),
        ("file:///models/m", "file:///models/m"),
        ("", ""),
    ],
)
def test_what_is_shown(whole: str, seen: str) -> None:
    assert shown(whole) == seen
    assert shown(seen) == seen
    assert str(Address(whole)) == f"{Address(whole)}" == "%s" % Address(whole) == seen  # noqa: UP031
    assert repr(Address(whole)) == f"Address({seen!r})"
    assert f"{Address(whole):>60}".strip() == seen


def test_nothing_encodes_an_address_by_accident() -> None:
    for encode in (json.dumps, lambda value: json.dumps(value, default=str)):
        try:
            assert "PLANTED" not in encode([Address(WHOLE)])
        except TypeError:
            continue
    assert "PLANTED" not in str([Address(WHOLE)])
    assert "PLANTED" not in f"{ {'address': Address(WHOLE)} }"
    assert "PLANTED" not in msgspec.json.encode([str(Address(WHOLE))]).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach {WHOLE}: refused",
        "InvalidURL: nonnumeric port: 'PLANTEDPW77@models.example.com'",
        "HTTPConnectionPool: /m.tar.gz?X-Amz-Signature=PLANTEDSIG88&v=1",
        "bad signature PLANTEDSIG88 of planteduser",
        f"({WHOLE})",
        f'"{WHOLE}", {WHOLE}',
        f"postgresql+psycopg{WHOLE[5:]}",
    ],
)
def test_texts_of_libraries_are_concealed(text: str) -> None:
    assert "PLANTED" not in Address(WHOLE).concealed_in(text).upper()


def test_what_is_encoded_in_an_address_is_concealed_decoded_as_well() -> None:
    assert "p@ss word" not in Address("https://u:p%40ss%20word@h/").concealed_in("login failed for 'p@ss word'")


SECRET = st.text(alphabet="PLANTED0123456789", min_size=6, max_size=12).map(lambda text: f"ZQ{text}")
PLACE = st.text(alphabet="abc/.-_~%", max_size=12)


@given(user=SECRET, password=SECRET, query=SECRET, path=PLACE, around=st.text(alphabet="ab ()[],.:/@?#", max_size=8))
def test_no_secret_is_left_in_any_text(user: str, password: str, query: str, path: str, around: str) -> None:
    whole = f"https://{user}:{password}@h.example/{path}?X-Signature={query}"
    text = one_line(f"{around} {whole} {around}", 500)
    assert not any(secret in text for secret in (user, password, query))
    for most in range(1, 80, 7):
        assert not any(secret in one_line(whole, most) for secret in (user, password, query))


@given(st.text(alphabet="ab:/@?#. \"'[]", max_size=30))
def test_concealing_ends_with_itself(text: str) -> None:
    once = concealed(text)
    assert concealed(once) == once
    assert shown(shown(text)) == shown(text)


@pytest.mark.parametrize(("text", "clean"), [(WHOLE, False), ("https://h/m@1", True), ("https://u@h", False)])
def test_whether_somebody_is_named(text: str, clean: bool) -> None:
    assert without_user(text) is clean


def test_an_address_that_was_cut_shows_no_half_of_a_password() -> None:
    assert "12345" not in one_line("x" * 20 + " https://user:123456789@h/", 12)
