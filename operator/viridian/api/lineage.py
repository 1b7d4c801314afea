"""What a model version was made from: data, features, code, image and parameters, by identities that never change."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from viridian.api.schema import Struct, word

CODE_REVISION_ANNOTATION: Final = "org.opencontainers.image.revision"
"""On the pod template of the training stage: the Git commit that its image was built from, as OCI labels name it."""
CODE_REVISION_VARIABLE: Final = "VIRIDIAN_CODE_REVISION"
"""In the image of the training stage: the same, for the trainer library."""


class Audit(StrEnum):
    """Whether a candidate must show what it was made from."""

    RECORD = "Record"
    STRICT = "Strict"


class Lineage(Struct, frozen=True, kw_only=True):
    """What a version was made from. A part that is not known is left out."""

    data_revision: Annotated[str, word("State of the data, such as a Git commit.")] = ""
    data_digest: Annotated[str, word("Digest of the data's content.")] = ""
    rows_digest: Annotated[str, word("Digest of the frozen rows of feedback.")] = ""
    code_revision: Annotated[str, word("Git commit of the training code.")] = ""
    features_digest: Annotated[str, word("Digest of the feature definition.")] = ""
    image_digest: Annotated[str, word("Digest of the image that trained, as the node pulled it.")] = ""
    parameters_digest: Annotated[str, word("Digest of the parameters that were logged.")] = ""
    model_digest: Annotated[str, word("Digest of the model's bytes.")] = ""
