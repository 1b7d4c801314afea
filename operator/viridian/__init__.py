"""Viridian keeps machine-learning models alive on Kubernetes."""

__version__ = "0.1.0"
