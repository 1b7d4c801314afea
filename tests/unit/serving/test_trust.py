"""Whose models are served: every way in which a signature can be wrong, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support import models
from viridian.api.manifest import MANIFEST_PATH, SIGNATURE_PATH
from viridian.api.rejections import ModelRejection
from viridian.api.signing import Signature, Subject, key_id, parse, render, statement
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.bundle.trusted_keys import Trust, trusted_keys
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.main import fetch
from viridian.serving.fetch.main import parse as fetch_settings
from viridian.serving.server_settings import parse as server_settings
from viridian.training.signing import make_key, read, sign

CHURN = Subject("churn", "run-2")


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
    sign(directory, signer, CHURN)
    return directory


def refused(version: Path, trust: Trust) -> tuple[ModelRejection, str]:
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
    sign(version, Ed25519PrivateKey.generate(), CHURN)


def claim_the_trusted_key(version: Path) -> None:
    """Signed by another key, under the name of the trusted one."""
    name = parse((version / SIGNATURE_PATH).read_bytes()).key
    sign(version, Ed25519PrivateKey.generate(), CHURN)
    forged = parse((version / SIGNATURE_PATH).read_bytes())
    value, payload = forged.value, forged.payload
    (version / SIGNATURE_PATH).write_bytes(render(Signature(name, value, payload)))


def flip_a_bit_of_the_signature(version: Path) -> None:
    signature = parse((version / SIGNATURE_PATH).read_bytes())
    value = bytes([signature.value[0] ^ 1]) + signature.value[1:]
    (version / SIGNATURE_PATH).write_bytes(render(Signature(signature.key, value, signature.payload)))


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


def put_another_statement_under_the_signature(version: Path) -> None:
    signature = parse((version / SIGNATURE_PATH).read_bytes())
    payload = statement((version / MANIFEST_PATH).read_bytes(), Subject("bank", CHURN.run))
    (version / SIGNATURE_PATH).write_bytes(render(Signature(signature.key, signature.value, payload)))


def change_a_file(version: Path) -> None:
    (version / "model.onnx").write_bytes(b"other")


def change_the_profile(version: Path) -> None:
    (version / "viridian" / "profile.json").write_text("{}")


def drop_the_manifest(version: Path) -> None:
    (version / MANIFEST_PATH).unlink()


def link_a_file(version: Path) -> None:
    (version / "MLmodel").rename(version.parent / "MLmodel")
    (version / "MLmodel").symlink_to(version.parent / "MLmodel")


ATTACKS: list[tuple[Callable[[Path], None], ModelRejection, str]] = [
    (unsign, ModelRejection.UNSIGNED, "the version has no viridian/manifest.sig"),
    (link_signature, ModelRejection.UNSIGNED, "the version has no viridian/manifest.sig"),
    (
        sign_with_another_key,
        ModelRejection.UNKNOWN_KEY,
        "which the Secret of spec.model.signature.publicKeySecretRef does not",
    ),
    (claim_the_trusted_key, ModelRejection.BAD_SIGNATURE, "does not belong to this viridian/manifest.json"),
    (flip_a_bit_of_the_signature, ModelRejection.BAD_SIGNATURE, "does not belong to this viridian/manifest.json"),
    (cut_the_signature, ModelRejection.BAD_SIGNATURE, "is not the JSON document"),
    (make_the_signature_huge, ModelRejection.BAD_SIGNATURE, "larger than"),
    (change_a_file_and_its_manifest, ModelRejection.BAD_SIGNATURE, "the signed statement is about another manifest"),
    (put_another_statement_under_the_signature, ModelRejection.BAD_SIGNATURE, "does not belong to this"),
    (change_a_file, ModelRejection.TAMPERED, "files differ from the manifest: 'model.onnx'"),
    (change_the_profile, ModelRejection.TAMPERED, "files are not in the manifest: 'viridian/profile.json'"),
    (drop_the_manifest, ModelRejection.TAMPERED, "but no viridian/manifest.json"),
    (link_a_file, ModelRejection.TAMPERED, "'MLmodel' is a link"),
]


@pytest.mark.parametrize(("attack", "reason", "words"), ATTACKS, ids=[attack.__name__ for attack, _, _ in ATTACKS])
def test_each_attack_has_its_reason(
    version: Path, trust: Trust, attack: Callable[[Path], None], reason: ModelRejection, words: str
) -> None:
    attack(version)
    found, sentence = refused(version, trust)
    assert found is reason
    assert words in sentence


@pytest.mark.parametrize(("attack", "reason", "words"), ATTACKS, ids=[attack.__name__ for attack, _, _ in ATTACKS])
def test_where_none_is_required_a_signature_that_is_there_must_be_good_all_the_same(
    version: Path, trust: Trust, attack: Callable[[Path], None], reason: ModelRejection, words: str
) -> None:
    attack(version)
    lenient = Trust(trust.keys, required=False)
    if attack is unsign:
        verify_directory(version, "", lenient)
    elif attack is link_signature:
        assert refused(version, lenient)[0] is ModelRejection.TAMPERED
    else:
        assert refused(version, lenient)[0] is reason


def test_who_trusts_nobody_does_not_look(version: Path) -> None:
    sign_with_another_key(version)
    verify_directory(version, "", Trust())
    assert refused(version, Trust(None, required=True))[0] is ModelRejection.NO_TRUSTED_KEYS


class TestWhatItWasSignedAs:
    """A version that a trusted key signed is still no version of another model, and not another version."""

    @pytest.mark.parametrize(
        ("subject", "words"),
        [
            (Subject("bank", "run-2"), "is signed as one of the model 'churn', and served as one of 'bank'"),
            (Subject("Churn", "run-2"), "is signed as one of the model 'churn', and served as one of 'Churn'"),
            (Subject("churn", "run-9"), "is signed as made by the MLflow run 'run-2', and registered from 'run-9'"),
            (Subject("churn", ""), "is signed as made by the MLflow run 'run-2', and registered from ''"),
        ],
    )
    @pytest.mark.parametrize("required", [True, False])
    def test_another_one_is_refused(
        self, version: Path, trust: Trust, subject: Subject, words: str, required: bool
    ) -> None:
        reason, sentence = refused(version, replace(trust, subject=subject, required=required))
        assert reason is ModelRejection.BAD_SIGNATURE
        assert words in sentence
        assert f"sign --model {subject.model}" in sentence

    def test_the_same_is_served(self, version: Path, trust: Trust) -> None:
        verify_directory(version, "", replace(trust, subject=CHURN))

    def test_a_signature_without_a_run_is_for_versions_without_one(
        self, version: Path, trust: Trust, signer: Ed25519PrivateKey
    ) -> None:
        sign(version, signer, Subject("churn"))
        verify_directory(version, "", replace(trust, subject=Subject("churn")))
        assert refused(version, replace(trust, subject=CHURN))[0] is ModelRejection.BAD_SIGNATURE

    def test_the_form_of_earlier_releases_names_no_model(
        self, version: Path, trust: Trust, signer: Ed25519PrivateKey
    ) -> None:
        """It is good for a model without a registry, whose digest says which one it is."""
        value = signer.sign((version / MANIFEST_PATH).read_bytes())
        name = key_id(signer.public_key().public_bytes_raw())
        (version / SIGNATURE_PATH).write_bytes(render(Signature(name, value)))
        verify_directory(version, "", trust)
        reason, sentence = refused(version, replace(trust, subject=CHURN))
        assert reason is ModelRejection.BAD_SIGNATURE
        assert "in the form of an earlier release" in sentence
        assert "sign --model churn --run run-2 <bundle>" in sentence

    def test_a_statement_is_no_manifest(self, version: Path, trust: Trust, signer: Ed25519PrivateKey) -> None:
        """The value of one form is no value of the other."""
        signature = parse((version / SIGNATURE_PATH).read_bytes())
        (version / SIGNATURE_PATH).write_bytes(render(Signature(signature.key, signature.value)))
        assert refused(version, trust)[0] is ModelRejection.BAD_SIGNATURE

    def test_init_step_and_server_are_told_the_same(self) -> None:
        variables = {"VIRIDIAN_SIGNED_MODEL": "churn", "VIRIDIAN_SIGNED_RUN": "run-2"}
        assert server_settings([], variables).trust.subject == CHURN
        assert fetch_settings([], variables).trust.subject == CHURN
        assert server_settings([], {}).trust.subject is None


class TestRequiredByTheOperator:
    def test_an_own_wish_is_no_substitute(self, version: Path, trust: Trust) -> None:
        """The namespace trusts a key that the operator does not."""
        other = pem(Ed25519PrivateKey.generate()).decode()
        reason, sentence = refused(version, replace(trust, operator_keys=other))
        assert reason is ModelRejection.UNKNOWN_KEY
        assert "the operator's --signature-keys does not hold" in sentence

    def test_one_of_its_keys_is_enough(self, version: Path, signer: Ed25519PrivateKey) -> None:
        keys = pem(Ed25519PrivateKey.generate()) + pem(signer)
        verify_directory(version, "", Trust(operator_keys=keys.decode(), subject=CHURN))
        reason, _ = refused(version, Trust(operator_keys=keys.decode(), subject=Subject("bank", CHURN.run)))
        assert reason is ModelRejection.BAD_SIGNATURE

    def test_an_unsigned_version_is_refused_without_any_wish(self, version: Path, signer: Ed25519PrivateKey) -> None:
        unsign(version)
        reason, sentence = refused(version, Trust(operator_keys=pem(signer).decode()))
        assert reason is ModelRejection.UNSIGNED
        assert "--signature-keys" in sentence

    def test_init_step_and_server_read_the_same_variable(self) -> None:
        variables = {"VIRIDIAN_REQUIRED_KEYS": "PEM"}
        assert server_settings([], variables).trust.operator_keys == "PEM"
        assert fetch_settings([], variables).trust.operator_keys == "PEM"


class TestKeys:
    def test_each_file_and_each_block_is_trusted_and_one_that_is_taken_out_is_not(
        self, version: Path, trust: Trust
    ) -> None:
        """Rotation: both keys for a while, then the next one alone."""
        assert trust.keys is not None
        former, following = trust.keys / "churn.pem", Ed25519PrivateKey.generate()
        sign(version, following, CHURN)
        assert refused(version, trust)[0] is ModelRejection.UNKNOWN_KEY
        both = former.read_bytes() + b"a remark\n" + pem(following)
        former.write_bytes(both)
        verify_directory(version, "", trust)
        (trust.keys / "next.pem").write_bytes(pem(following))
        former.unlink()
        verify_directory(version, "", trust)
        (trust.keys / "next.pem").write_bytes(pem(Ed25519PrivateKey.generate()))
        assert refused(version, trust)[0] is ModelRejection.UNKNOWN_KEY

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
        assert reason is ModelRejection.NO_TRUSTED_KEYS
        assert words in sentence

    @pytest.mark.parametrize("there", [True, False])
    def test_a_missing_secret_is_told(self, version: Path, tmp_path: Path, there: bool) -> None:
        if there:
            (tmp_path / "none").mkdir()
        reason, sentence = refused(version, Trust(tmp_path / "none", required=True))
        assert reason is ModelRejection.NO_TRUSTED_KEYS
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
        assert raised.value.reason is ModelRejection.UNKNOWN_KEY
        assert list((tmp_path / "model").iterdir()) == []

    def test_the_server_reads_the_same_variables(self) -> None:
        assert server_settings([], {}).trust == Trust()
        asked = server_settings([], {"VIRIDIAN_TRUSTED_KEYS": "/keys", "VIRIDIAN_SIGNATURE_REQUIRED": "true"})
        assert asked.trust == Trust(Path("/keys"), required=True)

    def test_a_typing_error_does_not_turn_it_off(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            server_settings([], {"VIRIDIAN_SIGNATURE_REQUIRED": "yes"})
        assert "write true or false, not 'yes'" in capsys.readouterr().err
