"""What the operator is shown of a model's inputs, for telling whether the next version fits the same requests."""

from __future__ import annotations

from viridian.api.input_schema import InputColumn, InputSchema
from viridian.api.profile import Profile
from viridian.serving.bundle.signature import Matrix, Signature


def shown_inputs(signature: Signature, profile: Profile | None) -> InputSchema:
    """The signature, with what was counted of live rows; None where nothing is counted."""
    if isinstance(signature, Matrix):
        return InputSchema(width=signature.width)
    features = profile.features if profile is not None else {}
    return InputSchema(
        columns=tuple(
            InputColumn(
                name=column.name,
                datatype=column.datatype,
                required=column.required,
                missing=features[column.name].missing if column.name in features else None,
            )
            for column in signature.columns
        ),
        rows=profile.sampled if profile is not None else 0,
    )
