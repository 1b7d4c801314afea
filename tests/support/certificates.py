"""Certificates for localhost, signed by an authority of their own."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass(frozen=True)
class Authority:
    """Signs certificates; its own lies in `file`."""

    file: Path
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls, file: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder("authority", "authority", key).add_extension(x509.BasicConstraints(True, None), True)
        file.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(PEM))
        return cls(file, key)

    def sign(self, certificate: Path, key_file: Path) -> int:
        """Write a new certificate for 127.0.0.1 and its key; gives its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = _builder("collector", "authority", key).add_extension(names, False).sign(self.key, hashes.SHA256())
        plain = serialization.NoEncryption()
        key_file.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
        certificate.write_bytes(made.public_bytes(PEM))
        return made.serial_number


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
