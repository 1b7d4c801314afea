"""Keys, and the commands that make and use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support import models
from viridian.api.manifest import digest
from viridian.api.signing import Subject
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.bundle.trusted_keys import Trust
from viridian.training import signing
from viridian.training.signing import KEY_FILE, KeyUnusable, key_from, main, make_key


def test_a_new_pair_signs_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["make-key", str(tmp_path / "keys")])
    private, public = sorted((tmp_path / "keys").iterdir(), key=lambda path: path.name != "signing.pem")
    assert private.stat().st_mode & 0o777 == 0o600
    told = capsys.readouterr().out
    assert f"--from-file={private}" in told
    assert f"--from-file={public}" in told
    bundle = models.write_onnx_mlflow(tmp_path / "bundle")
    models.add_manifest(bundle)
    key = key_from({KEY_FILE: str(private)})
    assert key is not None
    assert signing.sign(bundle, key, Subject("churn", "r1")) == public.stem
    (tmp_path / "trusted").mkdir()
    public.rename(tmp_path / "trusted" / "key.pem")
    verify_directory(bundle, "", Trust(tmp_path / "trusted", required=True, subject=Subject("churn", "r1")))


def test_signing_anew_keeps_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = models.write_onnx_mlflow(tmp_path / "bundle")
    before = models.add_manifest(bundle)
    private, public = make_key(tmp_path / "keys")
    monkeypatch.setenv(KEY_FILE, str(private))
    main(["sign", "--model", "churn", str(bundle)])
    assert public.stem in (bundle / "viridian" / "manifest.sig").read_text()
    assert digest((bundle / "viridian" / "manifest.json").read_bytes()) == before


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    private, _ = make_key(tmp_path)
    before = private.read_bytes()
    with pytest.raises(SystemExit, match="File exists"):
        main(["make-key", str(tmp_path)])
    assert private.read_bytes() == before


def test_who_names_no_key_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_from({}) is None
    monkeypatch.delenv(KEY_FILE, raising=False)
    with pytest.raises(SystemExit, match="set VIRIDIAN_SIGNING_KEY_FILE"):
        main(["sign", "--model", "churn", str(tmp_path)])


def unusable() -> dict[str, bytes]:
    plain, secret = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"word")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "no private key": b"S3CRET",
        "without a password": Ed25519PrivateKey.generate().private_bytes(*form, secret),
        "no Ed25519 key": ec.generate_private_key(ec.SECP256R1()).private_bytes(*form, plain),
    }


@pytest.mark.parametrize("words", unusable())
def test_a_key_that_cannot_sign_is_told_without_what_is_in_it(tmp_path: Path, words: str) -> None:
    (tmp_path / "key.pem").write_bytes(unusable()[words])
    with pytest.raises(KeyUnusable, match=words) as raised:
        key_from({KEY_FILE: str(tmp_path / "key.pem")})
    assert "S3CRET" not in str(raised.value)
    with pytest.raises(KeyUnusable, match="cannot be read: No such file"):
        key_from({KEY_FILE: str(tmp_path / "none.pem")})
