"""Settings of the collector: flags, each with an environment variable as its default."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viridian.api import durations
from viridian.api.address import concealed
from viridian.api.feedback import COLLECTOR_PORT
from viridian.tls import Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """One process serves one database."""

    host: str
    port: int
    data_dir: Path
    database_url: str = field(repr=False)
    rules: Path | None
    hash_key_file: Path | None
    retention: float
    """Seconds, as all times here."""
    profile_retention: float
    profile_detail: float
    snapshot_retention: float
    sweep: float
    max_body_bytes: int
    max_connections: int
    queue_rows: int
    namespace_rows: float
    namespace_bytes: float
    namespace_disk_bytes: int
    read: float
    token_memory: float
    review_rate: float
    stop: float
    api_server: str
    api_ca_file: str
    api_token_file: str
    tls_cert_file: Path | None
    tls_key_file: Path | None

    def certificate(self) -> Certificate | None:
        """What the collector shows to those who call it; None where it speaks without TLS."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return Certificate(self.tls_cert_file, self.tls_key_file)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> CollectorSettings:
    """The settings; exits with a usage message when they make no sense."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    if not 0 <= given.port <= 65535:
        parser.error("--port is a port: 0 to 65535")
    for flag in ("max_body_bytes", "max_connections", "queue_rows"):
        if getattr(given, flag) < 1:
            parser.error(f"--{flag.replace('_', '-')} is at least 1")
    for flag in ("namespace_rows", "namespace_bytes", "namespace_disk_bytes"):
        if not 0 <= getattr(given, flag) < float("inf"):
            parser.error(f"--{flag.replace('_', '-')} is at least 0")
    if not 0 < given.review_rate <= 1:
        parser.error("--review-rate is a share: above 0 and at most 1")
    if (given.tls_cert_file is None) != (given.tls_key_file is None):
        parser.error("--tls-cert-file and --tls-key-file go together: name both, or none")
    return CollectorSettings(**vars(given))


def seconds(text: str) -> float:
    """A duration such as 90d."""
    try:
        return durations.parse(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viridian-collector",
        description="Remembers predictions, joins them with what turned out to be true, forgets what it must. "
        "Callers prove who they are by Kubernetes tokens for the audience viridian-collector.",
        epilog="Each flag can be given as the environment variable named in its help.",
    )

    def option(flag: str, default: str, text: str, kind: Callable[[str], Any] = str, secret: bool = False) -> None:
        variable = "VIRIDIAN_" + flag.upper().replace("-", "_")
        value = environment.get(variable, default)
        if value.startswith("tcp://"):
            # Kubernetes injects VIRIDIAN_PORT=tcp://… into every pod beside a Service that is called viridian.
            value = default
        now = "" if secret else f", now {concealed(value)!r}"
        parser.add_argument(
            f"--{flag}", default=value, type=kind, help=f"{text} [{variable}{now}]".replace("%", "%%"), metavar="…"
        )

    option("host", "", "address to listen on; empty means all, IPv4 and IPv6")
    option("port", str(COLLECTOR_PORT), "port to listen on; 0 takes a free one", int)
    option("data-dir", "/data", "folder of the SQLite database and of frozen snapshots, on a volume", Path)
    option(
        "database-url",
        "",
        "postgresql://user:password@host:5432/name; empty means SQLite in the data folder",
        secret=True,
    )
    option("rules", "", "YAML file of columns to deny, hash or allow, for all and for single deployments", _path)
    option(
        "hash-key-file", "", "file with the key of hashes; without it, a key is made and kept in the database", _path
    )
    option("retention", "90d", "how long rows are kept at most", seconds)
    option("profile-retention", "400d", "how long the counts of servers are kept", seconds)
    option("profile-detail", "8d", "how long they are kept as they came; later they are merged into hours", seconds)
    option("snapshot-retention", "90d", "how long frozen training rows are kept at most", seconds)
    option("sweep", "1m", "how often what is too old is deleted", seconds)
    option("max-body-bytes", str(32 << 20), "largest body of a request", int)
    option("max-connections", "1000", "connections that may be open; more are answered with 503", int)
    option("queue-rows", "20000", "rows that may wait to be written; more are answered with 429", int)
    option("namespace-rows", "20000", "rows a second that a namespace may send; 0 means any number", float)
    option("namespace-bytes", str(32 << 20), "bytes a second that a namespace may send; 0 means any number", float)
    option(
        "namespace-disk-bytes",
        "0",
        "bytes that a namespace may keep; 0 means half of the volume with SQLite, and no limit with PostgreSQL",
        int,
    )
    option("read", "30s", "for a request to arrive; then 408", seconds)
    option("token-memory", "30s", "how long the API server's word about a token or a right is believed", seconds)
    option("review-rate", "0.05", "share of the predictions that people are shown, unless they ask for another", float)
    option("stop", "4s", "after SIGTERM, how long requests under way may still take", seconds)
    option("api-server", "", "URL of the Kubernetes API server; empty means that of the pod's cluster")
    option("api-ca-file", "", "certificate authority of the API server; empty means that of the service account")
    option("tls-cert-file", "", "certificate for TLS, with its chain; empty means without TLS", _path)
    option("tls-key-file", "", "its key; both are read again when they change", _path)
    option("api-token-file", "", "our own token at the API server; empty means that of the service account")
    return parser
