"""Certificates say whom they name and where they may serve, and nothing that the computer's own settings add."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from localcluster import kubeconfig
from localcluster.certs import Authority, Pair, Subject, leaf_extensions, openssl_settings


def test_addresses_and_names_are_told_apart() -> None:
    extensions = leaf_extensions(Subject("server", addresses=("10.96.0.1", "::1", "kubernetes.default.svc")))
    assert extensions[-1] == "subjectAltName=IP:10.96.0.1,IP:::1,DNS:kubernetes.default.svc"


def test_a_client_without_addresses_has_no_alternative_names() -> None:
    assert not [line for line in leaf_extensions(Subject("client")) if line.startswith("subjectAltName")]


def test_a_group_is_named_only_where_there_is_one() -> None:
    assert "O = system:nodes\nCN = node\n" in openssl_settings(Subject("node", "system:nodes"), ())
    assert "O =" not in openssl_settings(Subject("node"), ())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("pki") / "ca")
    made.create()
    return made


@pytest.mark.needs_programs
def test_what_an_authority_issues_is_signed_by_it(authority: Authority) -> None:
    pair = authority.issue("server", Subject("server", "group", ("127.0.0.1", "localhost")))
    check = ["openssl", "verify", "-x509_strict", "-CAfile", str(authority.pair.certificate), str(pair.certificate)]
    assert subprocess.run(check, capture_output=True, text=True, check=False).returncode == 0
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", str(pair.certificate)], capture_output=True, text=True, check=True
    ).stdout
    assert "O = group, CN = server" in text
    assert "IP Address:127.0.0.1, DNS:localhost" in text
    assert "CA:FALSE" in text


@pytest.mark.needs_programs
def test_keys_are_for_their_owner_alone(authority: Authority) -> None:
    assert authority.folder.stat().st_mode & 0o077 == 0
    assert authority.pair.key.stat().st_mode & 0o077 == 0


def test_a_kubeconfig_needs_no_other_file_and_is_private(tmp_path: Path) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text(name)
    path = kubeconfig.write(
        tmp_path / "config", "here", "https://127.0.0.1:1", tmp_path / "ca", Pair(tmp_path / "crt", tmp_path / "key")
    )
    text = path.read_text()
    assert f"client-key-data: {base64.b64encode(b'key').decode()}" in text
    assert str(tmp_path) not in text
    assert path.stat().st_mode & 0o077 == 0
