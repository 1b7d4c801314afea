"""What an estimator says of its own parameters, for scripts that name none."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

MAX_PARAMETERS: Final = 100
"""As many as MLflow takes in one request."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,249}")
"""Names that every store of MLflow takes."""
_CONFIDENTIAL: Final = ("password", "secret", "credential", "api_key", "apikey")
"""Parts of names whose values are not to be shown."""


def own_parameters(model: Any) -> dict[str, str]:
    """What the estimator was made with, by the names that scikit-learn gives them; empty where it does not say.

    Numbers, texts, truth values and None alone: an object's text may hold its address in memory, which is another one
    in each attempt. What is named like a credential is left out. Of more than 100 those of the outermost estimators are
    there, and by name the first of these.
    """
    try:
        found = model.get_params(deep=True)
        values = {name: _text(value) for name, value in found.items() if _NAME.fullmatch(name) and not _hides(name)}
    # It is code of the model's author, and a model is worth more than a list of its parameters.
    except Exception:
        return {}
    known = [(name, text) for name, text in values.items() if text is not None]
    return dict(sorted(known, key=lambda one: (one[0].count("__"), one[0]))[:MAX_PARAMETERS])


def _hides(name: str) -> bool:
    return any(part in name.lower() for part in _CONFIDENTIAL)


def _text(value: Any) -> str | None:
    return str(value) if value is None or isinstance(value, str | bool | int | float | np.generic) else None
