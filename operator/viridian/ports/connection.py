"""Where the API server is and who we are there: from a pod's service account, or from a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from viridian.ports.plugin_login import ConnectionUnusable as ConnectionUnusable
from viridian.ports.plugin_login import plugin_login

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ApiConnection:
    """Credentials are PEM text or paths, never both; a token in a file may change and is read again."""

    server: str
    namespace: str = "default"
    """Of the service account, or of the kubeconfig's context."""
    ca_path: Path | None = None
    ca_data: str | None = None
    certificate_path: Path | None = None
    certificate_data: str | None = None
    private_key_path: Path | None = None
    private_key_data: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_path: Path | None = None
    token_source: Callable[[], str | None] | None = field(default=None, repr=False, compare=False)
    """Gives the token as it is now, for logins whose tokens expire."""
    insecure: bool = False
    """The server's certificate is not verified."""

    @classmethod
    def in_cluster(
        cls, environment: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
    ) -> ApiConnection:
        """From what Kubernetes puts into every pod with a service account."""
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
        token_path = service_account / "token"
        if not host or not port or not token_path.is_file():
            raise ConnectionUnusable("this is no pod with a service account: name a kubeconfig instead")
        namespace_path = service_account / "namespace"
        return cls(
            server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            namespace=namespace_path.read_text().strip() if namespace_path.is_file() else "default",
            ca_path=service_account / "ca.crt",
            token_path=token_path,
        )

    @classmethod
    def from_kubeconfig(cls, path: Path, context: str | None = None) -> ApiConnection:
        """From one context of a kubeconfig, the current one unless named. Paths in it are relative to the file."""
        config = _read(path)
        name = context or config.get("current-context")
        if not name:
            raise ConnectionUnusable(f"{path} has no current context: name one")
        chosen = _entry(config, path, "context", str(name))
        cluster = _entry(config, path, "cluster", str(chosen.get("cluster", "")))
        user = _entry(config, path, "user", str(chosen["user"])) if chosen.get("user") else {}
        _check_supported(path, cluster, user)
        if plugin := next((key for key in ("exec", "auth-provider") if user.get(key)), None):
            return cls(namespace=str(chosen.get("namespace") or "default"), **plugin_login(path, str(name), plugin))
        return cls(
            server=str(cluster["server"]).rstrip("/"),
            namespace=str(chosen.get("namespace") or "default"),
            ca_path=_path(path, cluster, "certificate-authority"),
            ca_data=_pem(path, cluster, "certificate-authority"),
            certificate_path=_path(path, user, "client-certificate"),
            certificate_data=_pem(path, user, "client-certificate"),
            private_key_path=_path(path, user, "client-key"),
            private_key_data=_pem(path, user, "client-key"),
            token=user.get("token"),
            token_path=None if user.get("token") else _path(path, user, "tokenFile"),
            insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        )

    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the given authority alone, and shows the client's certificate if there is one."""
        context = ssl.create_default_context(cafile=self.ca_path, cadata=self.ca_data)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_path or self.certificate_data:
            self._load_certificate(context)
        return context

    def read_token(self) -> str | None:
        """The token as it is now."""
        if self.token_source is not None:
            return self.token_source()
        if self.token_path is None:
            return self.token
        return self.token_path.read_text().strip()

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        # The ssl module reads certificates and keys from files only; those that come as text exist as private files
        # for as long as that takes.
        with tempfile.TemporaryDirectory(prefix="viridian-") as folder:
            certificate = self.certificate_path or _private_file(folder, "certificate", self.certificate_data)
            key = self.private_key_path or _private_file(folder, "key", self.private_key_data)
            context.load_cert_chain(certificate, key)


def _private_file(folder: str, name: str, text: str | None) -> Path:
    path = Path(folder) / name
    path.touch(mode=0o600)
    path.write_text(text or "")
    return path


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConnectionUnusable(f"the kubeconfig {path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ConnectionUnusable(f"{path} is no kubeconfig")
    return config


def _entry(config: Mapping[str, Any], path: Path, kind: str, name: str) -> Mapping[str, Any]:
    for entry in config.get(f"{kind}s") or []:
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise ConnectionUnusable(f"{path} has no {kind} {name!r}")


def _check_supported(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    if not cluster.get("server"):
        raise ConnectionUnusable(f"the chosen cluster in {path} has no server")
    if user.get("username"):
        raise ConnectionUnusable(
            f"the chosen user in {path} logs in by `username`, which is not supported: "
            "use a client certificate, a token or a tokenFile, or run in the cluster"
        )
    for key in ("proxy-url", "tls-server-name"):
        if cluster.get(key):
            raise ConnectionUnusable(f"the chosen cluster in {path} sets `{key}`, which is not supported")


def _path(config: Path, entry: Mapping[str, Any], key: str) -> Path | None:
    if f"{key}-data" in entry or not entry.get(key):
        return None
    return config.parent / str(entry[key])


def _pem(config: Path, entry: Mapping[str, Any], key: str) -> str | None:
    data = entry.get(f"{key}-data")
    if not data:
        return None
    try:
        return base64.b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ConnectionUnusable(f"{key}-data in {config} is not base64 of PEM text") from error
