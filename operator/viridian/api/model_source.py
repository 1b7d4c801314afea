"""Where a model comes from: `spec.model` of a ModelDeployment."""

from __future__ import annotations

from typing import Annotated, ClassVar

from viridian.api import cel
from viridian.api.features import ModelFeatures
from viridian.api.schema import Rule, Struct, doc


class RegistryModel(Struct, frozen=True, kw_only=True):
    """A model in the MLflow registry: follow an alias, or pin a version."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ALIAS_OR_VERSION,)

    name: Annotated[
        str, doc("Name of the registered model in MLflow.", min_length=1, max_length=256, rules=(cel.MODEL_NAME,))
    ]
    alias: (
        Annotated[
            str,
            doc(
                "Alias to follow: when it moves to another version, a rollout of that version starts.",
                max_length=255,
                rules=(cel.ALIAS, cel.ALIAS_IS_FREE, cel.ALIAS_IS_NO_VERSION),
            ),
        ]
        | None
    ) = None
    version: (
        Annotated[
            str,
            doc(
                'Version to pin, as text: "7". Only an edit of this field starts a rollout.',
                max_length=10,
                rules=(cel.VERSION,),
            ),
        ]
        | None
    ) = None


class PublicKeys(Struct, frozen=True, kw_only=True):
    """A Secret of the ModelDeployment's namespace with the public keys of those who may sign."""

    name: Annotated[str, doc("Name of the Secret.", min_length=1, max_length=253, rules=(cel.SECRET_NAME,))]
    key: (
        Annotated[
            str,
            doc(
                "Entry of the Secret, in PEM. Left out: every entry is a key that is trusted, so that keys can rotate.",
                max_length=253,
                rules=(cel.SECRET_KEY,),
            ),
        ]
        | None
    ) = None


class ModelSignature(Struct, frozen=True, kw_only=True):
    """Whose model may be served: checked by the init step and again by the server, before the model is read."""

    required: Annotated[
        bool,
        doc("Refuse versions without a signature. False: those that have one must have a good one all the same."),
    ] = True
    public_key_secret_ref: Annotated[PublicKeys, doc("The Secret with the Ed25519 public keys that are trusted.")]


class UriSecret(Struct, frozen=True, kw_only=True):
    """An entry of a Secret in the ModelDeployment's namespace."""

    name: Annotated[str, doc("Name of the Secret.", min_length=1, max_length=253, rules=(cel.SECRET_NAME,))]
    key: Annotated[
        str, doc("Entry of the Secret that holds the address.", min_length=1, max_length=253, rules=(cel.URI_KEY,))
    ] = "uri"


class ModelSource(Struct, frozen=True, kw_only=True):
    """Where the model comes from: exactly one of `registry`, `uri` and `uriSecretRef`."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_SOURCE, cel.URI_WITH_DIGEST, cel.DIGEST_WITH_URI)

    registry: Annotated[RegistryModel, doc("A model in the MLflow registry.")] | None = None
    uri: (
        Annotated[
            str,
            doc(
                "A model without a registry, with `digest`: mlflow-artifacts:/…, https://….tar.gz, file:///…, or "
                "oci://… for an image that each node mounts (Kubernetes 1.35).",
                max_length=2048,
                rules=(cel.URI, cel.URI_WITHOUT_USER),
            ),
        ]
        | None
    ) = None
    uri_secret_ref: (
        Annotated[
            UriSecret,
            doc(
                "The Secret that holds the address of the model, with `digest`, where the address holds a signature: "
                "only the pods that fetch the model see it."
            ),
        ]
        | None
    ) = None
    digest: (
        Annotated[
            str,
            doc(
                "SHA-256 of the model's manifest, `sha256:` and 64 hexadecimal digits; required with `uri` and "
                "`uriSecretRef`.",
                max_length=71,
                rules=(cel.DIGEST,),
            ),
        ]
        | None
    ) = None
    signature: (
        Annotated[ModelSignature, doc("Whose signature a version must have. Left out: signatures are not looked at.")]
        | None
    ) = None
    features: (
        Annotated[
            ModelFeatures,
            doc("The definition of the features. Left out: only what servers show by themselves is compared."),
        ]
        | None
    ) = None
