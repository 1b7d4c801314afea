"""What an estimator says of its own parameters, for scripts that name none."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

MAX_PARAMETERS: Final = 100
"""As many as MLflow takes in one request."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,249}")
"""Names that every store of MLflow takes."""


def own_parameters(model: Any) -> dict[str, str]:
    """What the estimator was made with, by the names that scikit-learn gives them; empty where it does not say.

    Numbers, texts, truth values and None alone: an object's text may hold its address in memory, which is another one
    in each attempt. Of more than 100 those of the outermost estimators are there, and by name the first of these.
    """
    try:
        found = model.get_params(deep=True)
        values = {name: _text(value) for name, value in found.items() if _NAME.fullmatch(name)}
    except Exception:
        return {}
    known = [(name, text) for name, text in values.items() if text is not None]
    return dict(sorted(known, key=lambda one: (one[0].count("__"), one[0]))[:MAX_PARAMETERS])


def _text(value: Any) -> str | None:
    return str(value) if value is None or isinstance(value, str | bool | int | float | np.generic) else None
