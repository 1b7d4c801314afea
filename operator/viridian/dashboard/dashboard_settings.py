"""Settings of the dashboard: flags, each with an environment variable as its default."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from viridian.dashboard.place import is_name
from viridian.ports.connection import ApiConnection
from viridian.tls import Certificate

DASHBOARD_PORT: Final = 8096
_AUTHORITY: Final = "/etc/viridian/api-server/ca.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """One process asks one API server."""

    port: int
    api_server: str
    api_ca_file: Path
    namespaces: tuple[str, ...]
    token_header: str
    collector: str
    """URL of the collector; empty: people do not label here."""
    collector_ca_file: Path | None
    tls_cert_file: Path | None
    tls_key_file: Path | None

    def connection(self) -> ApiConnection:
        """Where the API server is; without any credential: people bring their own."""
        return ApiConnection(server=self.api_server, ca_path=self.api_ca_file)

    def certificate(self) -> Certificate | None:
        """What the dashboard shows to browsers; None where it speaks without TLS."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return Certificate(self.tls_cert_file, self.tls_key_file)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> DashboardSettings:
    """The settings; exits with a usage message when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="viridian-dashboard",
        description="Pages about ModelDeployments and RetrainPolicies. People show their own tokens.",
        epilog="Each flag can be given as the environment variable named in its help.",
    )

    def option(flag: str, default: str, text: str) -> None:
        variable = "VIRIDIAN_DASHBOARD_" + flag.upper().replace("-", "_")
        value = environment.get(variable, default)
        parser.add_argument(f"--{flag}", default=value, help=f"{text} [{variable}]", metavar="…")

    option("port", str(DASHBOARD_PORT), "port to listen on; 0 takes a free one")
    option("api-server", _in_cluster(environment), "URL of the API server; by default that of the pod's cluster")
    option("api-ca-file", _AUTHORITY, "certificate authority of the API server")
    option("namespaces", "", "namespaces that are tried for people who may not list all, with commas")
    option("token-header", "", "header in which an authenticating proxy puts the person's token, beside Authorization")
    option("collector", "", "URL of the collector, for the page on which people label; empty means without that page")
    option("collector-ca-file", "", "certificate authority of the collector; empty means those of the system")
    option("tls-cert-file", "", "certificate for TLS, with its chain; empty means without TLS")
    option("tls-key-file", "", "its key; both are read again when they change")
    given = parser.parse_args(arguments)
    namespaces = tuple(name.strip() for name in given.namespaces.split(",") if name.strip())
    if not given.port.isdigit() or int(given.port) > 65535:
        parser.error("--port is a port: 0 to 65535")
    if not given.api_server.startswith("https://"):
        parser.error("this is no pod of a cluster: name an API server with --api-server https://…")
    if not Path(given.api_ca_file).is_file():
        parser.error(f"--api-ca-file: {given.api_ca_file} is missing; mount ca.crt of the ConfigMap kube-root-ca.crt")
    if bad := [name for name in namespaces if not is_name(name)]:
        parser.error(f"--namespaces: {bad[0]!r} is no name of a namespace")
    if given.collector and not given.collector.startswith(("http://", "https://")):
        parser.error("--collector is a URL, such as http://viridian-collector.viridian-system.svc:8090")
    if given.collector_ca_file and not Path(given.collector_ca_file).is_file():
        parser.error(f"--collector-ca-file: {given.collector_ca_file} is missing")
    if bool(given.tls_cert_file) != bool(given.tls_key_file):
        parser.error("--tls-cert-file and --tls-key-file go together: name both, or none")
    return DashboardSettings(
        port=int(given.port),
        api_server=given.api_server.rstrip("/"),
        api_ca_file=Path(given.api_ca_file),
        namespaces=namespaces,
        token_header=given.token_header,
        collector=given.collector.rstrip("/"),
        collector_ca_file=Path(given.collector_ca_file) if given.collector_ca_file else None,
        tls_cert_file=Path(given.tls_cert_file) if given.tls_cert_file else None,
        tls_key_file=Path(given.tls_key_file) if given.tls_key_file else None,
    )


def _in_cluster(environment: Mapping[str, str]) -> str:
    """As Kubernetes says it to every pod; empty elsewhere."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
