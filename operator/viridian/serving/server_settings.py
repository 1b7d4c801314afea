"""Settings of the model server: flags, each with an environment variable as its default."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from viridian.api.address import concealed
from viridian.api.orders import parse_key
from viridian.api.privacy import Rules
from viridian.api.signing import Subject
from viridian.serving.bundle.trusted_keys import Trust
from viridian.serving.pod_address import Target

DEFAULT_BODY_LIMIT = 8 * 1024 * 1024
DEFAULT_ROW_LIMIT = 10_000
DEFAULT_TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One process serves one revision of one model."""

    model_dir: Path
    name: str
    version: str
    revision: str
    slot: str
    digest: str
    host: str
    port: int
    management_port: int
    drain_seconds: float
    grace_seconds: float
    max_body_bytes: int
    termination_log: Path
    trusted_keys: Path | None = None
    signature_required: bool = False
    signed_model: str = ""
    signed_run: str = ""
    required_keys: str = ""
    max_rows: int = DEFAULT_ROW_LIMIT
    max_waiting: int = 256
    max_connections: int = 10_000
    read_seconds: float = 30.0
    predict_seconds: float = 30.0
    access_log: bool = False
    collector_url: str = ""
    collector_token_file: Path | None = None
    feedback: Rules | None = None
    feedback_key_file: Path | None = None
    feedback_key_secret: str = ""
    profile_seconds: float = 60.0
    namespace: str = ""
    deployment: str = ""
    pod: str = ""
    orders_key: bytes | None = None
    shadow_target: str = ""
    features_digest: str = ""

    @property
    def trust(self) -> Trust:
        """Whose signature the model must have."""
        return Trust(
            self.trusted_keys, self.signature_required, subject(self.signed_model, self.signed_run), self.required_keys
        )


def subject(model: str, run: str) -> Subject | None:
    """What a version must have been signed as."""
    return Subject(model, run) if model else None


def optional_path(text: str) -> Path | None:
    """Where something is; nothing where it is nowhere."""
    return Path(text) if text else None


def privacy_rules(text: str) -> Rules | None:
    """JSON; nothing where there is none."""
    try:
        return msgspec.json.decode(text.encode(), type=Rules) if text else None
    except msgspec.MsgspecError as error:
        raise argparse.ArgumentTypeError(f"these are no privacy rules: {error}") from error


def order_key(text: str) -> bytes | None:
    """A public key; nothing where there is none."""
    try:
        return parse_key(text) if text else None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def challenger_address(text: str) -> str:
    """`http://host:port`; nothing where there is none."""
    try:
        return Target(text).url if text else ""
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"write true or false, not {text!r}")
    return text == "true"


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerSettings:
    """The settings; exits with a usage message when they make no sense."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    for flag in ("port", "management_port"):
        if not 0 <= getattr(given, flag) <= 65535:
            parser.error(f"--{flag.replace('_', '-')} is a port: 0 to 65535")
    for flag in ("drain_seconds", "grace_seconds"):
        if not getattr(given, flag) >= 0:
            parser.error(f"--{flag.replace('_', '-')} is a number of seconds: 0 or more")
    for flag in ("read_seconds", "predict_seconds", "profile_seconds"):
        if not 0 < getattr(given, flag) < math.inf:
            parser.error(f"--{flag.replace('_', '-')} is a number of seconds above 0")
    for flag in ("max_body_bytes", "max_rows", "max_waiting", "max_connections"):
        if getattr(given, flag) < 1:
            parser.error(f"--{flag.replace('_', '-')} is at least 1")
    return ServerSettings(**vars(given))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viridian-server",
        description="Serves one model over the Open Inference Protocol v2 and MLflow's /invocations.",
        epilog="Each flag can be given as the environment variable named in its help.",
    )

    def option(flag: str, default: str, text: str, kind: Callable[[str], Any] = str, name: str = "") -> None:
        variable = "VIRIDIAN_" + flag.upper().replace("-", "_")
        value = environment.get(variable, default)
        if value.startswith("tcp://"):
            # Kubernetes injects VIRIDIAN_PORT=tcp://… into every pod beside a Service that is called viridian.
            value = default
        parser.add_argument(
            f"--{flag}",
            dest=name or flag.replace("-", "_"),
            default=value,
            type=kind,
            help=f"{text} [{variable}, now {concealed(value)!r}]".replace("%", "%%"),
        )

    option("model-dir", "/model", "directory of the model: an MLflow model, or just model.onnx", Path)
    option("model-name", "model", "the name in the paths under /v2/models", name="name")
    option("model-version", "", "the version in the registry", name="version")
    option("revision", "", "revision that answers and metrics carry")
    option("slot", "", "slot that answers and metrics carry")
    option("model-digest", "", "sha256:… of viridian/manifest.json; empty promises none", name="digest")
    option("trusted-keys", "", "directory of public keys; empty looks at no signature", optional_path)
    option("signature-required", "false", "true refuses a model that is not signed", truth)
    option("required-keys", "", "public keys in PEM, one of which must have signed the version; empty: none")
    option("signed-model", "", "registered model that the version must be signed for; empty: any")
    option("signed-run", "", "MLflow run that the version must be signed for, beside the model")
    option("host", "", "address to listen on; empty means all, IPv4 and IPv6")
    option("port", "8080", "port for inference; 0 takes a free one", int)
    option("management-port", "8081", "port for /metrics, /healthz and orders; 0 takes a free one", int)
    option("drain-seconds", "5", "after SIGTERM, how long new connections are still accepted", float)
    option("grace-seconds", "20", "after that, how long requests under way may still take", float)
    option("max-body-bytes", str(DEFAULT_BODY_LIMIT), "largest body of a request", int)
    option("max-rows", str(DEFAULT_ROW_LIMIT), "most rows of a request", int)
    option("max-waiting", "256", "requests that may wait for a thread; more are answered with 429", int)
    option("max-connections", "10000", "connections that may be open on a port; more are answered with 503", int)
    option("read-seconds", "30", "for a request to arrive; then 408", float)
    option("predict-seconds", "30", "for an answer; then 504, or 503 when its turn did not come", float)
    option("access-log", "false", "true logs one line for each prediction request", truth)
    option("collector-url", "", "address of the collector of predictions; empty sends nothing")
    option("collector-token-file", "", "service-account token for the collector, read again each time", optional_path)
    option("feedback", "", "privacy rules as JSON: sampling, deny, hash, subject", privacy_rules)
    option("feedback-key-file", "", "key of the hashes", optional_path)
    option("feedback-key-secret", "", "Secret that this file comes from, for saying which one is missing")
    option("profile-seconds", "60", "length of the windows in which live rows are counted for the collector", float)
    option("namespace", "", "namespace of the ModelDeployment, for the collector and for the proof of orders")
    option("deployment", "", "name of the ModelDeployment, for the collector")
    option("pod", "", "name of the pod, for the collector and the proof of orders; empty means the host's name")
    option("orders-key", "", "public Ed25519 key of whom orders are taken from; empty takes none", order_key)
    option("shadow-target", "", "the one address that requests may be copied to; empty copies none", challenger_address)
    option("features-digest", "", "digest of the feature definition, to show to the operator; empty shows none")
    option("termination-log", DEFAULT_TERMINATION_LOG, "file for the sentence that says why the process ended", Path)
    return parser
