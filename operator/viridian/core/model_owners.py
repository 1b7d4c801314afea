"""To which namespaces a registered model belongs: the operator writes to it on behalf of those alone.

All namespaces share the operator's identity in MLflow, so MLflow cannot tell them apart. In this order:

1. the operator's configuration: where a rule matches the model's name, only the namespaces of such rules may write;
2. the tag `viridian.namespaces` of the registered model, set by the administrator of MLflow;
3. the tag `viridian.modeldeployment`, with which the first ModelDeployment that writes claims the model for its
   namespace. A claim outlives its ModelDeployment: the next one of that namespace goes on with it.

Reading is not limited by any of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from viridian.api.registry import ALIAS_CHAMPION, TAG_MODEL_DEPLOYMENT, TAG_NAMESPACES, RegisteredModel


class Standing(Enum):
    """What a namespace may do with a registered model, beside reading it."""

    OWN = "own"
    UNCLAIMED = "unclaimed"
    """It may claim the model, and write once the claim is seen to stand."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """`--registry-models NAMESPACE=PATTERN`. Without a namespace: what only such rules match, nobody writes to."""

    namespace: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.namespace}={self.pattern}"


@dataclass(frozen=True, slots=True)
class Owners:
    """What the registry shows about the owners of a registered model."""

    there: bool = True
    namespaces: str | None = None
    """The tag of MLflow's administrator; an empty one gives the model to nobody."""
    claim: str = ""
    """`<namespace>/<name>` of the ModelDeployment that claimed it."""
    former: str = ""
    """The same as an earlier release noted it, on the version that the alias `champion` points at."""


@dataclass(frozen=True, slots=True)
class OwnersUnknown:
    """The registry did not say: a reason of `viridian.api.reasons` and a sentence."""

    reason: str
    message: str


MISSING = Owners(there=False)


@dataclass(frozen=True, slots=True)
class OwnershipVerdict:
    standing: Standing
    message: str = ""
    """Of a foreign model: whose it is, by what, and what to do."""


def former_claim_on(model: RegisteredModel) -> str | None:
    """The version to ask for a claim of an earlier release; None where the model itself says whose it is."""
    if model.tags.get(TAG_MODEL_DEPLOYMENT) or TAG_NAMESPACES in model.tags:
        return None
    return model.aliases.get(ALIAS_CHAMPION)


def owners_of(model: RegisteredModel | None, former_tags: Mapping[str, str] | None = None) -> Owners:
    """From the model, and the tags of the version that `former_claim_on` names."""
    if model is None:
        return MISSING
    return Owners(
        namespaces=model.tags.get(TAG_NAMESPACES),
        claim=model.tags.get(TAG_MODEL_DEPLOYMENT, ""),
        former=(former_tags or {}).get(TAG_MODEL_DEPLOYMENT, ""),
    )


def judge(model: str, owners: Owners, namespace: str, rules: Iterable[OwnerRule]) -> OwnershipVerdict:
    """Whether this namespace may have the operator write to the model."""
    matching = [rule for rule in rules if fnmatchcase(model, rule.pattern)]
    if matching:
        allowed = [rule.namespace for rule in matching]
        return _of(namespace, allowed, lambda: _by_rule(model, namespace, matching))
    if owners.namespaces is not None:
        allowed = [name.strip() for name in owners.namespaces.split(",")]
        return _of(namespace, allowed, lambda: _by_tag(model, namespace, owners.namespaces or ""))
    claim = owners.claim or owners.former
    if claim and namespace_of(claim) != namespace:
        return OwnershipVerdict(Standing.FOREIGN, _by_claim(model, namespace, claim))
    return OwnershipVerdict(Standing.OWN if owners.claim or not owners.there else Standing.UNCLAIMED)


def namespace_of(claim: str) -> str:
    return claim.partition("/")[0]


def _of(namespace: str, allowed: list[str], message: Callable[[], str]) -> OwnershipVerdict:
    if any(name and fnmatchcase(namespace, name) for name in allowed):
        return OwnershipVerdict(Standing.OWN)
    return OwnershipVerdict(Standing.FOREIGN, message())


def _by_rule(model: str, namespace: str, rules: list[OwnerRule]) -> str:
    owners = ", ".join(sorted({rule.namespace for rule in rules if rule.namespace})) or "nobody"
    flags = " ".join(f"--registry-models {rule}" for rule in rules)
    return (
        f"the registered model {model} belongs to {owners}, not to the namespace {namespace} (the operator's {flags}): "
        f"use a registered model of your own, or let the operator's administrator add --registry-models "
        f"{namespace}={model}"
    )


def _by_tag(model: str, namespace: str, listed: str) -> str:
    return (
        f"the registered model {model} belongs to {listed.strip() or 'nobody'}, not to the namespace {namespace} "
        f"(its tag {TAG_NAMESPACES} in MLflow): use a registered model of your own, or let MLflow's administrator add "
        f"{namespace} to that tag"
    )


def _by_claim(model: str, namespace: str, claim: str) -> str:
    return (
        f"the registered model {model} belongs to the namespace {namespace_of(claim)}, whose ModelDeployment {claim} "
        f"wrote to it first (tag {TAG_MODEL_DEPLOYMENT}), not to the namespace {namespace}: use a registered model of "
        f"your own, or let MLflow's administrator set its tag {TAG_NAMESPACES} to {namespace_of(claim)},{namespace}"
    )
