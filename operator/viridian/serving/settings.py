"""What the server is told: flags, each with an environment variable as its default."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viridian.serving.trust import Trust

DEFAULT_BODY_LIMIT = 8 * 1024 * 1024
DEFAULT_TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
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

    @property
    def trust(self) -> Trust:
        """Whose signature the model must have."""
        return Trust(self.trusted_keys, self.signature_required)


def optional_path(text: str) -> Path | None:
    """Where something is; nothing where it is nowhere."""
    return Path(text) if text else None


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"write true or false, not {text!r}")
    return text == "true"


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings; exits with a usage message when they make no sense."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    for flag in ("port", "management_port"):
        if not 0 <= getattr(given, flag) <= 65535:
            parser.error(f"--{flag.replace('_', '-')} is a port: 0 to 65535")
    for flag in ("drain_seconds", "grace_seconds"):
        if not getattr(given, flag) >= 0:
            parser.error(f"--{flag.replace('_', '-')} is a number of seconds: 0 or more")
    if given.max_body_bytes < 1:
        parser.error("--max-body-bytes is at least 1")
    return Settings(**vars(given))


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
            help=f"{text} [{variable}, now {value!r}]".replace("%", "%%"),
        )

    option("model-dir", "/model", "directory of the model: an MLflow model, or just model.onnx", Path)
    option("model-name", "model", "the name in the paths under /v2/models", name="name")
    option("model-version", "", "the version in the registry", name="version")
    option("revision", "", "revision that answers and metrics carry")
    option("slot", "", "slot that answers and metrics carry")
    option("model-digest", "", "sha256:… of viridian/manifest.json; empty promises none", name="digest")
    option("trusted-keys", "", "directory of public keys; empty looks at no signature", optional_path)
    option("signature-required", "false", "true refuses a model that is not signed", truth)
    option("host", "", "address to listen on; empty means all, IPv4 and IPv6")
    option("port", "8080", "port for inference; 0 takes a free one", int)
    option("management-port", "8081", "port for /metrics, /healthz and /connections/close; 0 takes a free one", int)
    option("drain-seconds", "5", "after SIGTERM, how long new connections are still accepted", float)
    option("grace-seconds", "20", "after that, how long requests under way may still take", float)
    option("max-body-bytes", str(DEFAULT_BODY_LIMIT), "largest body of a request", int)
    option("termination-log", DEFAULT_TERMINATION_LOG, "file for the sentence that says why the process ended", Path)
    return parser
