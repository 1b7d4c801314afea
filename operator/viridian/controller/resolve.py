"""From the model that a spec asks for to one immutable version, by what the registry says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from viridian.api import reasons
from viridian.api.address import secret_address
from viridian.api.modeldeployment import ModelDeploymentSpec, ModelSource, RegistryModel
from viridian.api.registry import ModelVersion
from viridian.controller.registry_view import RegistryView
from viridian.ports.registry import RegistryError, RegistryUnavailable
from viridian.rollout.input import Unresolved
from viridian.rollout.records import ServedModel


@dataclass(frozen=True, slots=True)
class Resolver:
    """Asks the registry, if the operator has one."""

    registry: RegistryView
    configured: bool
    own: Mapping[str, RegistryView] = field(default_factory=dict)
    """Of namespaces with an identity of their own."""
    signed_in: Callable[[str], bool] = lambda _: False
    """Whether the operator asks for signatures in a namespace."""

    async def resolve(self, spec: ModelDeploymentSpec | None, namespace: str) -> ServedModel | Unresolved:
        """Never raises: a registry that is down is a finding like any other."""
        if spec is None:
            return _lasting(reasons.INVALID_SPEC, "the spec cannot be read")
        if spec.model.registry is None:
            return _given(spec.model)
        if not self.configured:
            return _lasting(
                reasons.REGISTRY_NOT_CONFIGURED,
                "the operator was started without a registry: give it --mlflow-uri, or use spec.model.uri",
            )
        try:
            signed = spec.model.signature is not None or self.signed_in(namespace)
            return await _registered(self._view(namespace), spec.model.registry, signed=signed)
        except RegistryUnavailable as error:
            return Unresolved(error.reason, error.message, lasting=False)
        except RegistryError as error:
            return _lasting(error.reason, error.message)

    def _view(self, namespace: str) -> RegistryView:
        return self.own.get(namespace, self.registry)


async def _registered(registry: RegistryView, wanted: RegistryModel, *, signed: bool) -> ServedModel | Unresolved:
    model = await registry.model(wanted.name)
    if model is None:
        message = f"MLflow has no registered model {wanted.name!r}: a RetrainPolicy or a person has to register one"
        return _lasting(reasons.MODEL_NOT_FOUND, message)
    number = wanted.version or model.aliases.get(wanted.alias or "")
    if number is None:
        message = (
            f"the registered model {wanted.name!r} has no alias {wanted.alias!r}: a RetrainPolicy sets it on a "
            "version that passes its gate, or set it on a version in MLflow"
        )
        return _lasting(reasons.ALIAS_NOT_FOUND, message)
    version = await registry.version(wanted.name, number)
    if version is None:
        message = f"the registered model {wanted.name!r} has no version {number}"
        return _lasting(reasons.VERSION_NOT_FOUND, message)
    found = ServedModel(
        uri=version.uri, name=version.name, version=version.version, digest=version.digest, run=version.run_id
    )
    if signed and (earlier := await _earlier(registry, version)):
        message = (
            f"version {number} of the registered model {wanted.name!r} was registered from the MLflow run of "
            f"version {earlier}, and is signed as that one: an old version under a new number is not served; use "
            f"version {earlier}, or train and sign a new one"
        )
        return _lasting(reasons.BAD_SIGNATURE, message)
    return found


async def _earlier(registry: RegistryView, version: ModelVersion) -> str | None:
    """The version that the same run was registered as before."""
    if version.run_id is None:
        return None
    first = await registry.version_of_run(version.name, version.run_id)
    return first if first != version.version else None


def _given(source: ModelSource) -> ServedModel:
    """A model without a registry: its digest is what it is, wherever it lies."""
    secret = source.uri_secret_ref
    uri = secret_address(secret.name, secret.key) if secret is not None else source.uri or ""
    return ServedModel(uri=uri, digest=source.digest)


def _lasting(reason: str, message: str) -> Unresolved:
    return Unresolved(reason, message, lasting=True)
