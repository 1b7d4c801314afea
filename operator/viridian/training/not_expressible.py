"""What a conversion to ONNX raises."""

from __future__ import annotations


class NotExpressible(Exception):
    """ONNX cannot express this estimator; the message says why."""
