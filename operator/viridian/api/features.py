"""The definition of a model's features: how training, servers and the operator name it to each other."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from viridian.api import cel
from viridian.api.names import GROUP
from viridian.api.schema import Struct, doc
from viridian.api.texts import one_line

FEATURES_REF_VARIABLE: Final = "VIRIDIAN_FEATURES_REF"
"""In the containers of stages and of servers: `spec.model.features.ref`."""
FEATURES_DIGEST_VARIABLE: Final = "VIRIDIAN_FEATURES_DIGEST"
"""In the same ones: the digest of the definition that servers are started with."""
FEATURES_ANNOTATION: Final = f"{GROUP}/features-digest"
"""On the pods of a server: the same, for runtimes that show it in no other way."""
FEATURES_PATH: Final = "/features"
"""On the management port, GET with the operator's proof: a ServedFeatures."""
_MAX_CHARACTERS: Final = 80
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class ModelFeatures(Struct, frozen=True, kw_only=True):
    """The definition that the model's features come from, as of a feature service."""

    ref: Annotated[
        str,
        doc(
            "Name of the definition in the feature store. Stages and servers get it as VIRIDIAN_FEATURES_REF.",
            min_length=1,
            max_length=253,
            rules=(cel.FEATURES_REF,),
        ),
    ]
    digest: (
        Annotated[
            str,
            doc(
                "Digest of the definition that servers are started with. A version that was made with another one gets "
                "no traffic: FeatureSkew. Stages and servers get it as VIRIDIAN_FEATURES_DIGEST.",
                max_length=71,
                rules=(cel.FEATURES_DIGEST,),
            ),
        ]
        | None
    ) = None


class ServedFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What a server shows of the definition that it was started with."""

    digest: str = ""
    """Empty where nobody has set one."""


def digest_shown(text: str) -> str:
    """The digest as it is compared and shown: one short line; of a digest, its letters are small ones."""
    word = one_line(text, _MAX_CHARACTERS)
    return word.lower() if _DIGEST.fullmatch(word.lower()) else word


def is_digest(text: str) -> bool:
    """Whether the text is a digest in the form in which it is shown."""
    return _DIGEST.fullmatch(text) is not None
