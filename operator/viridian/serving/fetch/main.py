"""The command `viridian-fetch`: brings a model's files into a directory and proves that they are the promised ones."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viridian.api.address import IMAGE_SCHEME, MODEL_URI_SECRET_VARIABLE, MODEL_URI_VARIABLE, Address, concealed
from viridian.api.origins import origin_of
from viridian.serving import termination
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.bundle.trusted_keys import Trust
from viridian.serving.errors import FetchFailed, ServingError
from viridian.serving.fetch import sources
from viridian.serving.fetch.transfer import Transfer
from viridian.serving.logs import configure, log, note
from viridian.serving.server_settings import DEFAULT_TERMINATION_LOG, optional_path, subject, truth


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """One model, one directory."""

    model_uri: Address
    model_digest: str
    model_dir: Path
    mlflow_uri: str
    trusted_keys: Path | None
    signature_required: bool
    signed_model: str
    signed_run: str
    required_keys: str
    deadline_seconds: float
    max_model_bytes: int
    termination_log: Path

    @property
    def trust(self) -> Trust:
        return Trust(
            self.trusted_keys, self.signature_required, subject(self.signed_model, self.signed_run), self.required_keys
        )


def main() -> None:
    """Exit code 0 when the model is there and proven; 1 otherwise, with the reason in the termination log."""
    settings = parse(sys.argv[1:], os.environ)
    configure()
    try:
        fetch(settings, os.environ)
    except ServingError as error:
        log.error(str(error))
        termination.explain(settings.termination_log, error)
        sys.exit(1)


def fetch(settings: FetchSettings, environment: Mapping[str, str]) -> None:
    """The directory holds the model and nothing else; after a failure it holds nothing. An image is checked alone."""
    if not settings.model_uri:
        raise FetchFailed("VIRIDIAN_MODEL_URI does not say where the model is")
    if settings.model_uri.whole.startswith(IMAGE_SCHEME):
        _check_mounted(settings)
        return
    began = time.monotonic()
    target = settings.model_dir
    if _is_here(settings):
        note("already here", uri=str(settings.model_uri), digest=settings.model_digest)
        return
    trusted = origin_of(settings.mlflow_uri)
    transfer = Transfer(settings.deadline_seconds, settings.max_model_bytes, environment, trusted=trusted)
    try:
        _empty(target)
        _bring(settings.model_uri, target, transfer, settings.mlflow_uri)
        verify_directory(target, settings.model_digest, settings.trust)
    except OSError as error:
        _empty(target)
        raise FetchFailed(f"{target} cannot be written: {error.strerror or error}") from error
    except ServingError:
        _empty(target)
        raise
    files = [path for path in target.rglob("*") if path.is_file()]
    note(
        "fetched",
        uri=str(settings.model_uri),
        digest=settings.model_digest,
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        seconds=round(time.monotonic() - began, 3),
    )


def _check_mounted(settings: FetchSettings) -> None:
    """A model in an image lies there before this step begins: it is checked, and nothing is written."""
    if settings.model_uri.name:
        raise FetchFailed(
            f"{settings.model_uri} holds the name of an image, but the kubelet mounts images before a pod reads its "
            "Secrets: write it as uri, and name the login for its registry in imagePullSecrets"
        )
    verify_directory(settings.model_dir, settings.model_digest, settings.trust)
    note("mounted", uri=str(settings.model_uri), digest=settings.model_digest)


def _bring(uri: Address, target: Path, transfer: Transfer, mlflow_uri: str) -> None:
    """The files, or a sentence that shows no more of the address than may be shown, whatever a library quotes."""
    try:
        sources.bring(uri.whole, target, transfer, mlflow_uri)
    except FetchFailed as error:
        raise FetchFailed(uri.concealed_in(str(error)), error.reason) from None
    except ValueError as error:
        # Of an address that no library can read; such errors quote it.
        raise FetchFailed(f"{uri} is no address: {uri.concealed_in(str(error))}") from None


def _is_here(settings: FetchSettings) -> bool:
    """A node that restarts runs its pods' init steps again, over the old files: then nobody needs to be asked."""
    if not settings.model_digest or not settings.model_dir.is_dir():
        return False
    try:
        verify_directory(settings.model_dir, settings.model_digest, settings.trust)
    except FetchFailed:
        return False
    return True


def _empty(directory: Path) -> None:
    """The directory is there, with nothing in it. It may be a mount, so it stays itself."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> FetchSettings:
    """The settings; exits with a usage message when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="viridian-fetch",
        description="Downloads a model into a directory and checks every file of it against its manifest.",
        epilog="For MLflow behind a password: MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN.",
    )

    def option(flag: str, variable: str, default: str, text: str, kind: Callable[[str], Any] = str) -> None:
        value = environment.get(variable, default)
        now = "" if kind is secret else f", now {concealed(value)!r}"
        help_ = f"{text} [{variable}{now}]".replace("%", "%%")
        parser.add_argument(f"--{flag}", default=value, type=kind, help=help_)

    def secret(text: str) -> Address:
        return Address(text, environment.get(MODEL_URI_SECRET_VARIABLE, ""))

    option(
        "model-uri",
        MODEL_URI_VARIABLE,
        "",
        "mlflow-artifacts:/…, https://….tar.gz, file:///…, or oci://… of what is mounted",
        secret,
    )
    option("model-digest", "VIRIDIAN_MODEL_DIGEST", "", "sha256:… of viridian/manifest.json; empty promises none")
    option("model-dir", "VIRIDIAN_MODEL_DIR", "/model", "directory to fill; what is in it is deleted", Path)
    option("mlflow-uri", "MLFLOW_TRACKING_URI", "", "address of the MLflow server")
    option(
        "trusted-keys",
        "VIRIDIAN_TRUSTED_KEYS",
        "",
        "directory of public keys; empty looks at no signature",
        optional_path,
    )
    option("signature-required", "VIRIDIAN_SIGNATURE_REQUIRED", "false", "true refuses what is not signed", truth)
    option("required-keys", "VIRIDIAN_REQUIRED_KEYS", "", "public keys in PEM, one of which must have signed it")
    option("signed-model", "VIRIDIAN_SIGNED_MODEL", "", "registered model that it must be signed for; empty: any")
    option("signed-run", "VIRIDIAN_SIGNED_RUN", "", "MLflow run that it must be signed for, beside the model")
    option("deadline-seconds", "VIRIDIAN_FETCH_DEADLINE_SECONDS", "300", "time for all attempts together", float)
    option("max-model-bytes", "VIRIDIAN_MAX_MODEL_BYTES", str(20 * 1024**3), "largest model", int)
    option(
        "termination-log",
        "VIRIDIAN_TERMINATION_LOG",
        DEFAULT_TERMINATION_LOG,
        "file for the sentence that says why fetching failed",
        Path,
    )
    return FetchSettings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
