"""Credentials for MLflow that a Secret mounts as files, named like MLflow's own variables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from viridian.ports.mlflow_api import Credentials
from viridian.ports.registry import RegistryRefused

TOKEN: Final = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the name of a file
USER: Final = "MLFLOW_TRACKING_USERNAME"
PASSWORD: Final = "MLFLOW_TRACKING_PASSWORD"  # noqa: S105 - the name of a file
MAX_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """Read anew for each request: the kubelet puts a changed Secret in place while the operator runs.

    Where they cannot be read nothing is asked at all: the operator's own credentials are no substitute.
    """

    namespace: str
    directory: Path

    def header(self) -> dict[str, str]:
        found = Credentials(token=self._read(TOKEN), user=self._read(USER), password=self._read(PASSWORD)).header()
        if not found:
            raise RegistryRefused(
                f"the MLflow credentials of the namespace {self.namespace} are missing: {self.directory} must hold "
                f"{TOKEN}, or {USER} and {PASSWORD}"
            )
        return found

    def _read(self, name: str) -> str:
        try:
            with (self.directory / name).open("rb") as file:
                return file.read(MAX_BYTES).decode().strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            why = f"the MLflow credentials of the namespace {self.namespace} cannot be read: {self.directory / name}"
            raise RegistryRefused(f"{why}: {type(error).__name__}") from None
