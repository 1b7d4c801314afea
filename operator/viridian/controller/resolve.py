"""From the model that a spec asks for to one immutable version, by what is known of the registry. It never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from viridian.api import reasons
from viridian.api.address import is_shown_whole, secret_address
from viridian.api.model_source import ModelSource
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.controller.listed_children import NotListed
from viridian.controller.registries import ByNamespace
from viridian.controller.registry_table import NotAnswered, NotRead, RegistryTable, Wanted
from viridian.rollout.input import UNREAD, Unresolved
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.replaced_versions import is_another, may_be_another


@dataclass(frozen=True, slots=True)
class Resolver:
    """Looks up what is known of the registry, if the operator has one."""

    tables: ByNamespace[RegistryTable]
    configured: bool
    signed_in: Callable[[str], bool] = lambda _: False
    """Whether the operator asks for signatures in a namespace."""
    may_note: bool = True
    """Whether what is still to be read is noted as such. Otherwise NotListed is raised."""

    def resolve(
        self, spec: ModelDeploymentSpec | None, namespace: str, records: Iterable[RevisionRecord]
    ) -> ServedModel | Unresolved:
        """UNREAD where it is still to be read: then that is noted, and followers are woken afterwards."""
        if spec is None:
            return _lasting(reasons.INVALID_SPEC, "the spec cannot be read")
        if spec.model.registry is None:
            return _given(spec.model)
        if not self.configured:
            return _lasting(
                reasons.REGISTRY_NOT_CONFIGURED,
                "the operator was started without a registry: give it --mlflow-uri, or use spec.model.uri",
            )
        signed = spec.model.signature is not None or self.signed_in(namespace)
        table, wanted = self.tables.of(namespace), Wanted(spec.model.registry, signed)
        try:
            return registered(table, wanted, records)
        except NotAnswered as failure:
            return failure.why
        except NotRead:
            if not self.may_note:
                raise NotListed(wanted.model.name) from None
            table.note(wanted)
            return UNREAD


def registered(
    table: RegistryTable, wanted: Wanted, records: Iterable[RevisionRecord] = ()
) -> ServedModel | Unresolved:
    """The version that is wanted; raises NotRead and NotAnswered as the table does."""
    name, alias = wanted.model.name, wanted.model.alias
    aliases = table.aliases(name)
    if aliases is None:
        message = f"MLflow has no registered model {name!r}: a RetrainPolicy or a person has to register one"
        return _seen_by_poller(reasons.MODEL_NOT_FOUND, message)
    number = wanted.model.version or aliases.get(alias or "")
    if number is None:
        message = (
            f"the registered model {name!r} has no alias {alias!r}: a RetrainPolicy sets it on a "
            "version that passes its gate, or set it on a version in MLflow"
        )
        return _seen_by_poller(reasons.ALIAS_NOT_FOUND, message)
    model = _version(table, wanted, number, records)
    if isinstance(model, Unresolved):
        return model
    if model is None:
        return _lasting(reasons.VERSION_NOT_FOUND, f"the registered model {name!r} has no version {number}")
    first = table.version_of_run(name, model.run) if wanted.signed and model.run is not None else None
    if first is not None and first != number:
        message = (
            f"version {number} of the registered model {name!r} was registered from the MLflow run of "
            f"version {first}, and is signed as that one: an old version under a new number is not served; use "
            f"version {first}, or train and sign a new one"
        )
        return _lasting(reasons.BAD_SIGNATURE, message)
    return model


def _version(
    table: RegistryTable, wanted: Wanted, number: str, records: Iterable[RevisionRecord]
) -> ServedModel | Unresolved | None:
    """A version never changes, so its record holds what the registry would say.

    An alias goes with its version. One that is pinned may be deleted without a trace: until it has served as champion,
    the registry is asked whether it is still there. So it is where the registry may have begun anew.
    """
    pinned = wanted.model.version is not None
    history, replaced_from = table.history(wanted.model.name)
    known = [record for record in records if _holds(record, wanted, number)]
    replaced = number.isdecimal() and int(number) >= replaced_from
    recorded = [record for record in known if not replaced and not may_be_another(record, history)]
    if known and not recorded:
        return _compared(table.version(wanted.model.name, number, may_vanish=pinned), known, pinned=pinned)
    if recorded and (not pinned or any(record.promoted_at for record in recorded)):
        return recorded[0].model
    try:
        return table.version(wanted.model.name, number, may_vanish=pinned)
    except NotRead as unread:
        if not recorded:
            raise
        table.note(unread.question)
        return recorded[0].model


def _compared(
    found: ServedModel | None, known: Sequence[RevisionRecord], *, pinned: bool
) -> ServedModel | Unresolved | None:
    """What the registry has under the number of these records. An alias was set on it by somebody; a pin is older.

    The same bytes may lie elsewhere by now.
    """
    if found is None:
        served = (record.model for record in known if record.promoted_at)
        return next(served, None) if pinned else None
    same = next((record.model for record in known if not is_another(record.model, found)), None)
    if same is not None:
        return replace(same, uri=found.uri) if found.digest and found.digest == same.digest else same
    if not pinned:
        return found
    message = (
        f"version {found.version} of the registered model {found.name!r} is not the one that was deployed here: the "
        "registry has begun anew since, and what runs goes on; register the model that is meant once more and pin its "
        "number, or follow an alias"
    )
    return _lasting(reasons.VERSION_REPLACED, message)


def _holds(record: RevisionRecord, wanted: Wanted, number: str) -> bool:
    """Whether the record says of this version all that the registry would say."""
    model = record.model
    return (
        (model.name, model.version) == (wanted.model.name, number)
        and is_shown_whole(model.uri)
        and not (wanted.signed and model.run is None)  # an older release did not record it
    )


def _given(source: ModelSource) -> ServedModel:
    """A model without a registry: its digest is what it is, wherever it lies."""
    secret = source.uri_secret_ref
    uri = secret_address(secret.name, secret.key) if secret is not None else source.uri or ""
    return ServedModel(uri=uri, digest=source.digest)


def _lasting(reason: str, message: str) -> Unresolved:
    return Unresolved(reason, message, lasting=True)


def _seen_by_poller(reason: str, message: str) -> Unresolved:
    return Unresolved(reason, message, lasting=True, watched=True)
