"""Whose models are served: every way in which a signature can be wrong, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support import models
from viridian.api.manifest import MANIFEST_PATH, SIGNATURE_PATH
from viridian.api.refusals import Refusal
from viridian.api.signing import Signature, parse, render
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch import fetch
from viridian.serving.fetch import parse as fetch_settings
from viridian.serving.integrity import verify_directory
from viridian.serving.settings import parse as server_settings
from viridian.serving.trust import Trust, trusted_keys
from viridian.training.signing import make_key, read, sign


@pytest.fixture
def signer(tmp_path: Path) -> Ed25519PrivateKey:
    """Its public half is the only one that is trusted."""
    private, public = make_key(tmp_path / "pair")
    (tmp_path / "trusted").mkdir()
    public.rename(tmp_path / "trusted" / "churn.pem")
    return read(private)


@pytest.fixture
def trust(tmp_path: Path, signer: Ed25519PrivateKey) -> Trust:
    return Trust(tmp_path / "trusted", required=True)


@pytest.fixture
def version(tmp_path: Path, signer: Ed25519PrivateKey) -> Path:
    """A signed version."""
    directory = models.write_onnx_mlflow(tmp_path / "version")
    models.add_manifest(directory)
    sign(directory, signer)
    return directory


def refused(version: Path, trust: Trust) -> tuple[Refusal, str]:
    with pytest.raises(FetchFailed) as raised:
        verify_directory(version, "", trust)
    return raised.value.reason, str(raised.value)


def pem(key: Any) -> bytes:
    public = key.public_key()
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def test_a_version_that_a_trusted_key_signed_is_served(version: Path, trust: Trust) -> None:
    verify_directory(version, "", trust)


def unsign(version: Path) -> None:
    (version / SIGNATURE_PATH).unlink()


def link_signature(version: Path) -> None:
    (version / SIGNATURE_PATH).rename(version.parent / "elsewhere.sig")
    (version / SIGNATURE_PATH).symlink_to(version.parent / "elsewhere.sig")


def sign_with_another_key(version: Path) -> None:
    sign(version, Ed25519PrivateKey.generate())


def claim_the_trusted_key(version: Path) -> None:
    """Signed by another key, under the name of the trusted one."""
    name = parse((version / SIGNATURE_PATH).read_bytes()).key
    sign(version, Ed25519PrivateKey.generate())
    value = parse((version / SIGNATURE_PATH).read_bytes()).value
    (version / SIGNATURE_PATH).write_bytes(render(Signature(name, value)))


def flip_a_bit_of_the_signature(version: Path) -> None:
    signature = parse((version / SIGNATURE_PATH).read_bytes())
    value = bytes([signature.value[0] ^ 1]) + signature.value[1:]
    (version / SIGNATURE_PATH).write_bytes(render(Signature(signature.key, value)))


def cut_the_signature(version: Path) -> None:
    document = (version / SIGNATURE_PATH).read_bytes()
    (version / SIGNATURE_PATH).write_bytes(document[: len(document) // 2])


def make_the_signature_huge(version: Path) -> None:
    (version / SIGNATURE_PATH).write_bytes(b" " * 10**6)


def change_a_file_and_its_manifest(version: Path) -> None:
    """Whoever can write to the store can make a manifest that fits; not its signature."""
    signature = (version / SIGNATURE_PATH).read_bytes()
    (version / "model.onnx").write_bytes(b"other")
    (version / MANIFEST_PATH).unlink()
    models.add_manifest(version)
    (version / SIGNATURE_PATH).write_bytes(signature)


def change_a_file(version: Path) -> None:
    (version / "model.onnx").write_bytes(b"other")


def change_the_profile(version: Path) -> None:
    (version / "viridian" / "profile.json").write_text("{}")


def drop_the_manifest(version: Path) -> None:
    (version / MANIFEST_PATH).unlink()


def link_a_file(version: Path) -> None:
    (version / "MLmodel").rename(version.parent / "MLmodel")
    (version / "MLmodel").symlink_to(version.parent / "MLmodel")


ATTACKS: list[tuple[Callable[[Path], None], Refusal, str]] = [
    (unsign, Refusal.UNSIGNED, "the version has no viridian/manifest.sig"),
    (link_signature, Refusal.UNSIGNED, "the version has no viridian/manifest.sig"),
    (
        sign_with_another_key,
        Refusal.UNKNOWN_KEY,
        "which the Secret of spec.model.signature.publicKeySecretRef does not",
    ),
    (claim_the_trusted_key, Refusal.BAD_SIGNATURE, "does not belong to this viridian/manifest.json"),
    (flip_a_bit_of_the_signature, Refusal.BAD_SIGNATURE, "does not belong to this viridian/manifest.json"),
    (cut_the_signature, Refusal.BAD_SIGNATURE, "is not the JSON document"),
    (make_the_signature_huge, Refusal.BAD_SIGNATURE, "larger than"),
    (change_a_file_and_its_manifest, Refusal.BAD_SIGNATURE, "does not belong to this viridian/manifest.json"),
    (change_a_file, Refusal.TAMPERED, "files differ from the manifest: 'model.onnx'"),
    (change_the_profile, Refusal.TAMPERED, "files are not in the manifest: 'viridian/profile.json'"),
    (drop_the_manifest, Refusal.TAMPERED, "but no viridian/manifest.json"),
    (link_a_file, Refusal.TAMPERED, "'MLmodel' is a link"),
]


@pytest.mark.parametrize(("attack", "reason", "words"), ATTACKS, ids=[attack.__name__ for attack, _, _ in ATTACKS])
def test_each_attack_has_its_reason(
    version: Path, trust: Trust, attack: Callable[[Path], None], reason: Refusal, words: str
) -> None:
    attack(version)
    found, sentence = refused(version, trust)
    assert found is reason
    assert words in sentence


@pytest.mark.parametrize(("attack", "reason", "words"), ATTACKS, ids=[attack.__name__ for attack, _, _ in ATTACKS])
def test_where_none_is_required_a_signature_that_is_there_must_be_good_all_the_same(
    version: Path, trust: Trust, attack: Callable[[Path], None], reason: Refusal, words: str
) -> None:
    attack(version)
    lenient = Trust(trust.keys, required=False)
    if attack is unsign:
        verify_directory(version, "", lenient)
    elif attack is link_signature:
        assert refused(version, lenient)[0] is Refusal.TAMPERED
    else:
        assert refused(version, lenient)[0] is reason


def test_who_trusts_nobody_does_not_look(version: Path) -> None:
    sign_with_another_key(version)
    verify_directory(version, "", Trust())
    assert refused(version, Trust(None, required=True))[0] is Refusal.NO_TRUSTED_KEYS


class TestKeys:
    def test_each_file_and_each_block_is_trusted_and_one_that_is_taken_out_is_not(
        self, version: Path, trust: Trust
    ) -> None:
        """Rotation: both keys for a while, then the next one alone."""
        assert trust.keys is not None
        former, following = trust.keys / "churn.pem", Ed25519PrivateKey.generate()
        sign(version, following)
        assert refused(version, trust)[0] is Refusal.UNKNOWN_KEY
        both = former.read_bytes() + b"a remark\n" + pem(following)
        former.write_bytes(both)
        verify_directory(version, "", trust)
        (trust.keys / "next.pem").write_bytes(pem(following))
        former.unlink()
        verify_directory(version, "", trust)
        (trust.keys / "next.pem").write_bytes(pem(Ed25519PrivateKey.generate()))
        assert refused(version, trust)[0] is Refusal.UNKNOWN_KEY

    def test_a_mounted_secret_has_hidden_folders(self, trust: Trust) -> None:
        assert trust.keys is not None
        (trust.keys / "..2026").mkdir()
        (trust.keys / "churn.pem").rename(trust.keys / "..2026" / "churn.pem")
        (trust.keys / "..data").symlink_to("..2026")
        (trust.keys / "churn.pem").symlink_to("..data/churn.pem")
        assert len(trusted_keys(trust.keys)) == 1

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "holds no PUBLIC KEY in PEM"),
            (b"ssh-ed25519 AAAA", "holds no PUBLIC KEY in PEM"),
            (b"-----BEGIN PUBLIC KEY-----\nAAAA", "cannot be read as PEM"),
            (b"-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n", "cannot be read as PEM"),
            (pem(ec.generate_private_key(ec.SECP256R1())), "is no Ed25519 key"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is a private key"),
        ],
        ids=["empty", "ssh", "cut", "noise", "another kind", "private"],
    )
    def test_what_is_no_public_key_is_told(self, version: Path, trust: Trust, content: bytes, words: str) -> None:
        assert trust.keys is not None
        (trust.keys / "churn.pem").write_bytes(content)
        reason, sentence = refused(version, trust)
        assert reason is Refusal.NO_TRUSTED_KEYS
        assert words in sentence

    @pytest.mark.parametrize("there", [True, False])
    def test_a_missing_secret_is_told(self, version: Path, tmp_path: Path, there: bool) -> None:
        if there:
            (tmp_path / "none").mkdir()
        reason, sentence = refused(version, Trust(tmp_path / "none", required=True))
        assert reason is Refusal.NO_TRUSTED_KEYS
        assert "is missing, or holds nothing" in sentence


class TestSettings:
    def test_the_init_step_asks_for_it(self, version: Path, trust: Trust, tmp_path: Path) -> None:
        variables = {
            "VIRIDIAN_MODEL_URI": version.as_uri(),
            "VIRIDIAN_MODEL_DIR": str(tmp_path / "model"),
            "VIRIDIAN_TRUSTED_KEYS": str(trust.keys),
            "VIRIDIAN_SIGNATURE_REQUIRED": "true",
        }
        fetch(fetch_settings([], variables), {})
        sign_with_another_key(version)
        with pytest.raises(FetchFailed) as raised:
            fetch(fetch_settings([], variables), {})
        assert raised.value.reason is Refusal.UNKNOWN_KEY
        assert list((tmp_path / "model").iterdir()) == []

    def test_the_server_reads_the_same_variables(self) -> None:
        assert server_settings([], {}).trust == Trust()
        asked = server_settings([], {"VIRIDIAN_TRUSTED_KEYS": "/keys", "VIRIDIAN_SIGNATURE_REQUIRED": "true"})
        assert asked.trust == Trust(Path("/keys"), required=True)

    def test_a_typing_error_does_not_turn_it_off(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            server_settings([], {"VIRIDIAN_SIGNATURE_REQUIRED": "yes"})
        assert "write true or false, not 'yes'" in capsys.readouterr().err
