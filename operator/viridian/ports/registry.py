"""The model registry as the loop needs it, and no more.

    RegistryError
    ├── RegistryUnavailable   nobody answered in time, or the server failed   -> try again later
    ├── RegistryRefused       it rejects the request: access, or settings     -> report it, look again now and then
    │   └── RegistryNotYours  the model was claimed by another namespace
    └── RegistryMissing       a write was about something that is gone        -> observe again before deciding

Reading something that does not exist is no error: it gives None. Every message is a sentence for people that fits a
condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from viridian.api import reasons
from viridian.api.registry import LoggedModel, ModelsPage, ModelVersion, RegisteredModel, RunStatus, TrainingRun


class RegistryError(Exception):
    """Something about the registry kept a call from being answered."""

    reason: ClassVar[str] = reasons.REGISTRY_REFUSED
    """What a condition about it says."""

    @property
    def message(self) -> str:
        """One sentence for people."""
        return str(self)


class RegistryUnavailable(RegistryError):
    """The same call may work later. Whether a write took effect is unknown."""

    reason = reasons.REGISTRY_UNAVAILABLE


class RegistryRefused(RegistryError):
    """The same call will be refused until a person changes something."""


class RegistryNotYours(RegistryRefused):
    """The registered model belongs to another namespace. Nothing was written."""

    reason = reasons.NOT_YOURS


class RegistryMissing(RegistryError):
    """What the write was about does not exist (any more). Nothing was written."""


class Registry(Protocol):
    """Every call ends within a few seconds and is never repeated inside: the queue above decides when to try again.

    Every write may be repeated: done twice, it leaves what it leaves when done once.
    """

    async def model(self, name: str) -> RegisteredModel | None:
        """The model, its tags and all of its aliases, in one call."""

    async def models(self, page_token: str = "") -> ModelsPage:
        """The registered models that this identity may read, page by page; the first page without a token."""

    async def claim(self, name: str, owner: str) -> str:
        """Whose the model is by now: the owner in its tag `viridian.modeldeployment`; this one if it had none.

        MLflow compares nothing before it writes: of two operators that claim at the same moment, the one whose tag is
        read back by both has it, which is the later one.
        """

    async def version(self, name: str, version: str) -> ModelVersion | None:
        """One version with its tags and the place of its bytes."""

    async def version_of_run(self, name: str, run_id: str) -> str | None:
        """The first version that was registered from that run."""

    async def register(self, name: str, run_id: str, source: str, tags: Mapping[str, str], *, owner: str = "") -> str:
        """The version made from that run, registered now unless it already is.

        A missing model is created and claimed for the owner in one write; RegistryUnavailable where somebody else
        creates it at that moment.
        """

    async def logged_model(self, model_id: str) -> LoggedModel | None:
        """The logged model `m-…`."""

    async def tag_version(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """These tags stand on the version; others stay."""

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        """The alias points at that version, whatever it pointed at before."""

    async def delete_alias(self, name: str, alias: str) -> None:
        """The alias does not exist."""

    async def find_run(self, experiment: str, run_key: str) -> TrainingRun | None:
        """The run of that experiment that carries this key in its tag `viridian.run`."""

    async def create_run(self, experiment: str, run_key: str, tags: Mapping[str, str]) -> TrainingRun:
        """The run with that key, created now unless it exists; so is the experiment."""

    async def run(self, run_id: str) -> TrainingRun | None:
        """The run and all that was logged to it."""

    async def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """These tags stand on the run; others stay. MLflow cuts a value after 8,000 characters without a word."""

    async def finish_run(self, run_id: str, status: RunStatus) -> None:
        """The run has ended with that status."""
