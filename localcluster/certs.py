"""Keys and certificates for one throw-away cluster, made by the ``openssl`` program."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError

VALID_DAYS = 365
AUTHORITY_KEY = ("-newkey", "rsa:2048", "-nodes")
"""API servers check the signature on a client's certificate at each request, and one by RSA takes least."""
KEY_OPTIONS = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names: a Kubernetes user, its group, and the addresses it may serve under."""

    user: str
    group: str = ""
    addresses: tuple[str, ...] = ()


class Authority:
    """A certificate authority in a folder; its files are ``ca.crt``, ``ca.key`` and one pair per name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pair = Pair(folder / "ca.crt", folder / "ca.key")

    def create(self) -> None:
        if shutil.which("openssl") is None:
            raise LocalClusterError("the program `openssl` (3.0 or newer) is missing: apt-get install openssl")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature")
        self._request("ca", Subject("viridian-local-ca"), extensions, AUTHORITY_KEY)

    def issue(self, name: str, subject: Subject) -> Pair:
        """A pair that serves as client and as server, signed by this authority."""
        signer = ("-CA", str(self.pair.certificate), "-CAkey", str(self.pair.key))
        self._request(name, subject, leaf_extensions(subject), (*KEY_OPTIONS, *signer))
        return self.get(name)

    def get(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def signing_key(self, name: str) -> Pair:
        """A bare key pair; its public half stands in for the certificate."""
        pair = Pair(self.folder / f"{name}.pub", self.folder / f"{name}.key")
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(pair.key))
        _openssl("pkey", "-in", str(pair.key), "-pubout", "-out", str(pair.certificate))
        return pair

    def _request(self, name: str, subject: Subject, extensions: Sequence[str], options: Sequence[str]) -> None:
        pair = self.get(name)
        settings = self.folder / f"{name}.cnf"
        settings.write_text(openssl_settings(subject, extensions))
        _openssl(
            "req", "-x509", "-config", str(settings), *options, "-days", str(VALID_DAYS),
            "-keyout", str(pair.key), "-out", str(pair.certificate),
        )  # fmt: skip
        settings.unlink()


def leaf_extensions(subject: Subject) -> tuple[str, ...]:
    usual = (
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth,serverAuth",
    )
    names = ",".join(_alternative_name(address) for address in subject.addresses)
    return (*usual, f"subjectAltName={names}") if names else usual


def _alternative_name(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"DNS:{address}"
    return f"IP:{address}"


def openssl_settings(subject: Subject, extensions: Sequence[str]) -> str:
    """A whole configuration file, because the computer's own would add extensions that contradict ours."""
    group = f"O = {subject.group}\n" if subject.group else ""
    lines = "\n".join(extension.replace("=", " = ", 1) for extension in extensions)
    return (
        "[req]\nprompt = no\ndistinguished_name = subject\nx509_extensions = extensions\n"
        f"[subject]\n{group}CN = {subject.user}\n[extensions]\n{lines}\n"
    )


def _openssl(*arguments: str) -> None:
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalClusterError(f"openssl {arguments[0]} failed (3.0 or newer is needed): {result.stderr.strip()}")
